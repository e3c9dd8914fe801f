-- Count an attempt to record an entry.
-- KEYS  1 intake lock  2 attempts
-- ARGV  1 owner  2 how long the lock holds from now on (ms)  3 intent number
-- Returns the number of attempts, including this one; 0, without counting, if another process has the lock by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
