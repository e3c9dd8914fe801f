-- End what is still pending of an intent: canceled or expired. What a batch holds is left to the batch.
-- A change that others share is handed to the first of them, in its place.
-- KEYS  1 lane prefix
-- ARGV  1 number  2 outcome letter (c | e)  3… items to look at
-- Returns {changes ended, intents ended, changes became ready (0|1)}
local number, letter = ARGV[1], ARGV[2]
local group = redis.call('HGET', P .. 'intent:' .. number, 'g')
if not group then return {0, 0, 0} end
local column = redis.call('HGET', P .. 'group:' .. group, 'col')
local ended = 0
-- Items of a large intent that are still to be recorded end when their chunk comes (record.lua).
redis.call('HSET', P .. 'intent:' .. number, 'stop', letter)

local function without(sharers, one)
  local rest = {}
  for sharer in string.gmatch(sharers, '%d+') do
    if sharer ~= one then rest[#rest + 1] = sharer end
  end
  return table.concat(rest, ',')
end

local function set_sharers(holder, cell, sharers)
  local name = holder .. ':' .. cell
  if sharers == '' then redis.call('HDEL', P .. 'shared', name) else redis.call('HSET', P .. 'shared', name, sharers) end
end

-- The number that takes over a shared change, or nil.
local function heir(cell)
  local sharers = take_sharers(number, cell)
  if not sharers then return nil end
  local first = string.match(sharers, '%d+')
  set_sharers(first, cell, without(sharers, first))
  return first
end

local function leave_share(cell, holder)
  local sharers = redis.call('HGET', P .. 'shared', holder .. ':' .. cell)
  if not sharers or not string.find(',' .. sharers .. ',', ',' .. number .. ',', 1, true) then return false end
  set_sharers(holder, cell, without(sharers, number))
  return true
end

local function leave_owned(cell, item)
  local other = heir(cell)
  redis.call('ZREM', P .. 'ready:' .. group, item)
  touched[group] = true
  if not other then return pass_on(cell, item) end
  redis.call('HSET', P .. 'cells', cell, other)
  make_ready(other, cell, item)
end

-- Our place in the line behind the owner, or in a share of somebody in it. Returns whether there was one.
local function leave_line(cell, item, owner)
  local behind = P .. 'behind:' .. cell
  local place = redis.call('LPOS', behind, number)
  if place then
    local other = heir(cell)
    if other then
      redis.call('LSET', behind, place, other)
    else
      redis.call('LREM', behind, 1, number)
      step_back(group, -1)
    end
    return true
  end
  for _, waiting in ipairs(redis.call('LRANGE', behind, 0, -1)) do
    if leave_share(cell, waiting) then return true end
  end
  if string.find(owner, '@', 1, true) or not leave_share(cell, owner) then return false end
  make_ready(owner, cell, item) -- it may be less urgent without us
  return true
end

for i = 3, #ARGV do
  local item = ARGV[i]
  local cell = column .. ':' .. item
  local owner = redis.call('HGET', P .. 'cells', cell)
  local left = false
  if owner == number then
    leave_owned(cell, item)
    left = true
  elseif owner then
    left = leave_line(cell, item, owner)
  end
  if left then
    note(number, item, letter, '')
    ended = ended + 1
  end
end
local ready = next(touched) and 1 or 0
return {ended, write_collected(), ready}
