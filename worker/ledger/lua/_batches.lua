-- The record of a batch: its changes, and where it waits.
-- USES  lane route singles

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
local WAITING = {'jobs', 'due', 'checks'}

local function is_single(batch) return redis.call('HGET', P .. 'batch:' .. batch, 'rt') == SINGLE end

local function place(batch, state, at)
  local own = is_single(batch) and S or P
  for _, zset in ipairs(WAITING) do
    if PLACE_OF[state] ~= zset then redis.call('ZREM', own .. zset, batch) end
  end
  redis.call('HSET', P .. 'batch:' .. batch, 'state', state)
  if PLACE_OF[state] then redis.call('ZADD', own .. PLACE_OF[state], text(at), batch) end
end

-- Its request has been answered, or was not sent. An item stays busy while a late request may still write it.
local function release(batch, parts)
  if not is_single(batch) then return redis.call('DEL', R .. 'lease') end
  redis.call('HDEL', S .. 'flight', batch)
  if redis.call('HGET', P .. 'batch:' .. batch, 'stray') ~= '1' then redis.call('HDEL', S .. 'items', parts[1][2]) end
end

-- The record is no longer needed.
local function drop_batch(batch, parts)
  if is_single(batch) and parts[1] and redis.call('HGET', S .. 'items', parts[1][2]) == batch then
    redis.call('HDEL', S .. 'items', parts[1][2])
  end
  redis.call('DEL', P .. 'batch:' .. batch)
end

-- Whether changes wait behind this batch's: its poll and read-back go before others' (pick.lua).
local function note_blocked(record, parts)
  local lines = {}
  for i, part in ipairs(parts) do lines[i] = P .. 'behind:' .. part[1] end
  local blocks = redis.call('EXISTS', unpack(lines))
  if blocks > 0 then redis.call('HSET', record, 'blocks', blocks) else redis.call('HDEL', record, 'blocks') end
end
