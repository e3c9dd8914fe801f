-- What the worker's settings say about the single route.
-- KEYS  1 lane prefix
-- ARGV  1 requests a second; 0 = off  2 '1' = an item is on one route at a time
-- Returns 1 if something changed
-- USES  singles
local kept = redis.call('HMGET', S .. 'state', 'rate', 'alone')
if kept[1] == ARGV[1] and kept[2] == ARGV[2] or (not kept[1] and ARGV[1] == '0') then return 0 end
redis.call('HSET', S .. 'state', 'rate', ARGV[1], 'alone', ARGV[2])
if kept[1] ~= ARGV[1] then
  redis.call('HSET', S .. 'state', 'sorted', '0')
  redis.call('HDEL', S .. 'state', 'off', 'why', 'from')
end
return 1
