-- Intake stops although entries may be left.
-- KEYS  1 intake lock  2 round
-- ARGV  1 owner  2 '1' if its last round finished: otherwise the mark stays, for the next owner
-- Returns 1, or 0 if another process has the lock by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] == '1' then redis.call('DEL', KEYS[2]) end
return 1
