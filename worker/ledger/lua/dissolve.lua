-- A single update ends without outcomes: its changes may be sent again, by whichever route.
-- KEYS  1 lane prefix
-- ARGV  1 batch  2 state in which the caller believes it  3 fence of the send that the caller knows of  4 '1' = the request was, or may have
--       been, sent: it is counted  5 '1' = the groups of its changes go by batches for an hour  6 for how long the route is off (ms), or 0  7 why
--       8 for how long a read of its cells proves nothing (ms); 0 = nothing was written
-- Returns {intents ended, changes became ready (0|1), changes wait for a look (0|1), this has switched the route off (0|1)} or {-1, 0, 0, 0}:
--         another process has moved it
-- Invariant: only a request that was certainly not executed, or whose execution is certainly over, is dissolved.
-- USES  requests batches cells dissolving ending
local BARRED_FOR = 3600000 -- ms
local record = P .. 'batch:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'state', 'parts', 'fence')
if kept[1] ~= ARGV[2] or kept[3] ~= ARGV[3] then return {-1, 0, 0, 0} end
local parts = parts_of(kept[2])
if ARGV[4] == '1' then count_request(parts) end
if ARGV[5] == '1' then
  for _, part in ipairs(parts) do
    local group = redis.call('HGET', P .. 'intent:' .. part[3], 'g')
    redis.call('HSET', P .. 'group:' .. group, 'bar', text(NOW + BARRED_FOR))
    touched[group] = true
  end
end
local is_off = tonumber(ARGV[6]) > 0 and switch_off_singles(tonumber(ARGV[6]), ARGV[7])
local cells = {}
for i, part in ipairs(parts) do cells[i] = part[1] end
note_written(cells, tonumber(ARGV[8]))
dissolve(ARGV[1], parts)
local ready = next(touched) and 1 or 0
return {write_collected(), ready, began_to_await and 1 or 0, is_off and 1 or 0}
