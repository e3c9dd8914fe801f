-- The lease of a run that sends single updates: taken once, then extended by its heartbeat.
-- KEYS  1 lane prefix
-- ARGV  1 owner  2 lease (ms)  3 '1' = the run begins
-- Returns 1, or 0: the lease has ended, and others may have taken its updates over
-- Invariant: a lease that has ended never begins again. Its process may have been stopped for long, with an update that is written by now.
-- USES  singles
local owners = redis.call('HGETALL', S .. 'owners')
local is_valid = ARGV[3] == '1'
for i = 1, #owners, 2 do
  local is_over = tonumber(owners[i + 1]) <= NOW
  if is_over then redis.call('HDEL', S .. 'owners', owners[i]) end
  if owners[i] == ARGV[1] then is_valid = not is_over end
end
if not is_valid then return 0 end
redis.call('HSET', S .. 'owners', ARGV[1], text(NOW + tonumber(ARGV[2])))
return 1
