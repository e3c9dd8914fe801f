-- Stands in front of enqueue.lua, for whoever decided by what others had enqueued until then.
-- ARGV  enqueue.lua's, and behind them: the number that still has to be the newest intent's
-- Returns what enqueue.lua does, or {-2, n}: the newest intent is n by now, and nothing was written.
local newest = tonumber(redis.call('GET', KEYS[3]) or 0)
if newest ~= tonumber(table.remove(ARGV)) then return {-2, newest} end
