-- Heartbeat of the one that is sending: move the end of its lease.
-- KEYS  1 lane prefix
-- ARGV  1 fence  2 lease (ms)
-- Returns 1, or 0 when the lease is somebody else's by now.
if redis.call('HGET', P .. 'lease', 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', P .. 'lease', 'until', text(NOW + tonumber(ARGV[2])))
return 1
