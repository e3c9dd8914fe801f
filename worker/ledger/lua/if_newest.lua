-- Prepended to enqueue.lua, for a decision that depends on all intents enqueued until then.
-- KEYS  1 inbox …, as enqueue.lua's, to which this belongs (client/feishu_batch/lua)
-- ARGV  enqueue.lua's, then: the number that must still be the newest intent's
-- Returns what enqueue.lua does, or {-2, n}: the newest intent is n by now, and nothing was written.
local newest = tonumber(redis.call('GET', KEYS[3]) or 0)
if newest ~= tonumber(table.remove(ARGV)) then return {-2, newest} end
