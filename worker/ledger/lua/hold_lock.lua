-- Acquire a free lock, or extend one's own: a command that was repeated after a lost answer finds its own lock.
-- KEYS  1 lock
-- ARGV  1 owner  2 for how long (ms)
-- Returns 1, or 0 if another process has it.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  -- More time is left than it was acquired for: the server's clock was set back, and the lock would last longer by that time.
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
