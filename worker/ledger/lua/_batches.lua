-- The record of a batch: its changes, and where it waits.
-- USES  lane

-- A batch's changes as a list of {cell, item, number}: its cells may be of several columns.
local function parts_of(packed)
  local list = {}
  for cell, item, number in string.gmatch(packed, '(%d+:(%d+)):(%d+)') do list[#list + 1] = {cell, item, number} end
  return list
end

local function pack_parts(list)
  local packed = {}
  for i, part in ipairs(list) do packed[i] = part[1] .. ':' .. part[3] end
  return table.concat(packed, ',')
end

local PLACE_OF = {open = 'jobs', resend = 'due', reask = 'due', check = 'checks'} -- state of a batch → where it waits

local function place(batch, state, at)
  for _, zset in ipairs({'jobs', 'due', 'checks'}) do
    if PLACE_OF[state] ~= zset then redis.call('ZREM', P .. zset, batch) end
  end
  redis.call('HSET', P .. 'batch:' .. batch, 'state', state)
  if PLACE_OF[state] then redis.call('ZADD', P .. PLACE_OF[state], text(at), batch) end
end
