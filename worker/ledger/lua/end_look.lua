-- A look is over: changes that are not needed end as unchanged, the others may be sent.
-- KEYS  1 lane prefix
-- ARGV  1 claim  2 how often it was handed out, as the caller knows  3 for how long nothing of this place is looked at (ms), because
--       it cannot be read; 0 = it was read; -1 = it was not read, and its changes wait for a look again  4… cells that hold their value
-- Returns {intents ended, changes became ready (0|1), changes wait for a look (0|1)} or {-1, 0, 0}: the claim is no longer the caller's
-- Invariants: a change gets one outcome; a cell is passed on in the same step; a change that was canceled meanwhile is ended before it is sent.
-- USES  outcomes cells batches looks route ending
local record = P .. 'look-claim:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'parts', 'times', 'pl')
if not kept[1] or kept[2] ~= ARGV[2] then return {-1, 0, 0} end
redis.call('DEL', record)
redis.call('ZREM', P .. 'look-claims', ARGV[1])
local holds = {}
for i = 4, #ARGV do holds[ARGV[i]] = true end

local parts, same = parts_of(kept[1]), 0
for _, part in ipairs(parts) do
  local cell, item, number = unpack(part)
  redis.call('HSET', P .. 'cells', cell, number)
  if holds[cell] then
    same = same + 1
    conclude(number, cell, item, UNCHANGED, '', false)
    pass_on(cell, item)
  else
    walk_again(number, cell)
    if ARGV[3] == '-1' then make_ready(number, cell, item) else make_ready_unlooked(number, cell, item) end
  end
end

local share = P .. 'look-share:' .. kept[3]
if tonumber(ARGV[3]) > 0 then
  redis.call('HSET', share, 'off', text(NOW + tonumber(ARGV[3])))
elseif ARGV[3] == '0' then
  local seen = redis.call('HINCRBY', share, 'seen', #parts)
  local all_same = redis.call('HINCRBY', share, 'same', same)
  if seen > 2000 then redis.call('HSET', share, 'seen', math.floor(seen / 2), 'same', math.floor(all_same / 2)) end
end
local ready = next(touched) and 1 or 0
return {write_collected(), ready, began_to_await and 1 or 0}
