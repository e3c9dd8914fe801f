-- Replace what is remembered of a scheduled entry, if it is still what its reader saw.
-- KEYS  1 the entry's record (string)
-- ARGV  1 the record as it was read, '' for none  2 the new one  3 how long it is kept, in ms
-- Returns 1, or 0 if somebody else was first.
-- Invariant: each moment of an entry is dealt with by one reader.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
