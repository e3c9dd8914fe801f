-- Count that taking in an entry is begun.
-- KEYS  1 intake lock  2 attempts
-- ARGV  1 owner  2 how long the lock holds from now on (ms)  3 intent number
-- Returns how often it was begun, now included; 0, and nothing is counted, when the lock is somebody else's by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
