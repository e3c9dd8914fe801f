-- Whether a hint should be sent; until it has arrived, or the time is over, no other one is wanted.
-- KEYS  1 hint
-- ARGV  1 how long an outstanding hint prevents further hints (ms)
-- Returns 1 or 0. The value is the time for which it was set (ms): if more is left, the server's clock was set back.
local meant = redis.call('GET', KEYS[1])
if meant and redis.call('PTTL', KEYS[1]) <= math.max(tonumber(meant) or 0, tonumber(ARGV[1])) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[1])
return 1
