-- Heartbeat of the sending process: extend its lease.
-- KEYS  1 lane prefix
-- ARGV  1 fence  2 lease (ms)
-- Returns 1, or 0 if another process has the lease by now.
-- USES  route
if redis.call('HGET', R .. 'lease', 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', R .. 'lease', 'until', text(NOW + tonumber(ARGV[2])))
return 1
