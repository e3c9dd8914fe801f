-- Intake leaves off although entries may be left.
-- KEYS  1 intake lock  2 round
-- ARGV  1 owner  2 '1' if its last round came to its end: otherwise the mark stays, for whoever goes on
-- Returns 1, or 0 when the lock is somebody else's by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] == '1' then redis.call('DEL', KEYS[2]) end
return 1
