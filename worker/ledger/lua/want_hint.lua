-- Whether a hint should be sent; until it has arrived, or this is over, no other is wanted.
-- KEYS  1 hint
-- ARGV  1 after how long a lost hint no longer keeps others from being sent (ms)
-- Returns 1 or 0. The value tells for how long it was set (ms): more left than that, and the server's clock was set back.
local meant = redis.call('GET', KEYS[1])
if meant and redis.call('PTTL', KEYS[1]) <= math.max(tonumber(meant) or 0, tonumber(ARGV[1])) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[1])
return 1
