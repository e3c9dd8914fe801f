-- The signature of a change set was sent, or the set is forgotten. A newer signature stays.
-- KEYS  1 awaited sets
-- ARGV  1 the set's id  2 the signature as JSON
-- Returns 1, or 0: another signature waits by now, or none.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
