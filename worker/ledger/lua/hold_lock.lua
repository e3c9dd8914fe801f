-- Take a lock that is free, or keep one's own for longer: a command that was repeated after a lost answer finds it taken, by itself.
-- KEYS  1 lock
-- ARGV  1 owner  2 for how long (ms)
-- Returns 1, or 0 when it is somebody else's.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  -- More is left than it was taken for: the server's clock was set back, and the lock would hold for as much longer.
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
