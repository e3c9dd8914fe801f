-- Replace the record of a scheduled entry, if it is unchanged since it was read.
-- KEYS  1 the entry's record (string)  2 the rows of its newest run (list)
-- ARGV  1 the record as it was read, '' for none  2 the new one  3 how long it is kept, in ms  4 '1' if the rows are no longer needed
-- Returns 1, or 0 if another process was first.
-- Invariant: one process handles each scheduled time of an entry.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[4] == '1' then redis.call('UNLINK', KEYS[2]) end
return 1
