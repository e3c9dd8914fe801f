-- Heartbeat of a process that sends single updates: extend the lease of all of them, and forget processes whose lease has ended: an unknown one has none.
-- KEYS  1 lane prefix
-- ARGV  1 owner  2 lease (ms)
-- Returns 1
-- USES  singles
local owners = redis.call('HGETALL', S .. 'owners')
for i = 1, #owners, 2 do
  if tonumber(owners[i + 1]) <= NOW then redis.call('HDEL', S .. 'owners', owners[i]) end
end
redis.call('HSET', S .. 'owners', ARGV[1], text(NOW + tonumber(ARGV[2])))
return 1
