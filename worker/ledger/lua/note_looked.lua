-- The cells of a request were read, and it may be sent: from here on it may have been executed.
-- KEYS  1 lane prefix
-- ARGV  1 batch  2 fence of the send
-- Returns 1, or 0: another process has taken the batch over.
-- USES  lane
local kept = redis.call('HMGET', P .. 'batch:' .. ARGV[1], 'state', 'fence')
if kept[1] ~= 'sending' or kept[2] ~= ARGV[2] then return 0 end
redis.call('HSET', P .. 'batch:' .. ARGV[1], 'looked', '1')
return 1
