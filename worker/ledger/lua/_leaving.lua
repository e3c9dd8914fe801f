-- Removing a waiting change from its cell, because its intent was canceled or has expired. For the scripts that end changes.
-- The line of a cell is in the order of the numbers, so a binary search finds a place in it.
-- USES  outcomes cells intents

-- The outcome letter for the waiting changes of this intent, or false while it is active.
local fate_of = {}
local function fate(number)
  if fate_of[number] == nil then
    local kept = redis.call('HMGET', P .. 'intent:' .. number, 'stop', 'x')
    fate_of[number] = kept[1] or (kept[2] and tonumber(kept[2]) <= WALL and EXPIRED)
  end
  return fate_of[number]
end

local function some_are_dead()
  if redis.call('EXISTS', P .. 'stopping', P .. 'overwritten') > 0 then return true end
  local next_one = redis.call('ZRANGE', P .. 'expiring', 0, 0, 'WITHSCORES')
  return next_one[1] and tonumber(next_one[2]) <= WALL
end

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

local function keep_stack(number, cell, other)
  if redis.call('EXISTS', under(number, cell)) == 1 then redis.call('RENAME', under(number, cell), under(other, cell)) end
end

-- The number that takes over a shared change, or nil.
local function heir(number, cell)
  local sharers = take_sharers(number, cell)
  if not sharers then return nil end
  local first = string.match(sharers, '%d+')
  set_sharers(first, cell, without(sharers, first))
  keep_stack(number, cell, first)
  if redis.call('HGET', P .. 'maybe', cell) == number then redis.call('HSET', P .. 'maybe', cell, first) end
  return first
end

-- The number of the last replaced change, which becomes pending again; or nil.
local function take_back(number, cell)
  local last = redis.call('ZPOPMAX', under(number, cell))[1]
  if last then keep_stack(number, cell, last) end
  return last
end

local function leave_share(number, cell, holder)
  local sharers = redis.call('HGET', P .. 'shared', holder .. ':' .. cell)
  if not sharers or not string.find(',' .. sharers .. ',', ',' .. number .. ',', 1, true) then return false end
  set_sharers(holder, cell, without(sharers, number))
  return true
end

local function leave_owned(number, group, cell, item)
  local other = heir(number, cell) or take_back(number, cell)
  redis.call('ZREM', P .. 'ready:' .. group, item)
  await_nothing(number, group, cell, item)
  touched[group] = true
  if not other then return pass_on(cell, item) end
  redis.call('HSET', P .. 'cells', cell, other)
  make_ready(other, cell, item)
end

-- The place of the first change in the line that is not older than this number; its length if all are.
local function place_in_line(behind, number, length)
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', behind, middle)) < tonumber(number) then low = middle + 1 else high = middle end
  end
  return low
end

local function leave_line(number, group, cell, behind, place)
  local other = heir(number, cell)
  if other then return redis.call('LSET', behind, place, other) end
  step_back(group, -1)
  other = take_back(number, cell)
  if not other then return redis.call('LREM', behind, 1, number) end
  redis.call('LSET', behind, place, other)
  step_back(redis.call('HGET', P .. 'intent:' .. other, 'g'), 1)
end

-- Remove it from the changes that the change of `holder` replaced. Returns whether it was there.
local function leave_stack(number, cell, holder)
  local stack = under(holder, cell)
  if redis.call('ZREM', stack, number) == 1 then
    local other = heir(number, cell)
    if other then redis.call('ZADD', stack, other, other) end
    return true
  end
  local before = redis.call('ZRANGE', stack, '(' .. number, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1)[1]
  return before and leave_share(number, cell, before) or false
end

-- Search behind the owner. A change that an intent shares is the nearest older one; the replacement of a change is
-- younger. Returns whether it was there, and the cost of the search.
local function leave_behind(number, group, cell, item, owner, is_held)
  local behind = P .. 'behind:' .. cell
  local length = redis.call('LLEN', behind)
  local cost = 1 + math.floor(length / 500)
  local place = place_in_line(behind, number, length)
  local at = place < length and redis.call('LINDEX', behind, place)
  if at == number then
    leave_line(number, group, cell, behind, place)
    return true, cost
  end
  if at and leave_stack(number, cell, at) then return true, cost end
  if place > 0 then return leave_share(number, cell, redis.call('LINDEX', behind, place - 1)), cost end
  if is_held or not leave_share(number, cell, owner) then return false, cost end
  rank_again(owner, cell, item) -- without this change it may be less urgent
  return true, cost
end

-- Remove an intent's waiting change from its cell. A shared change goes to the first of its sharers; an unshared one is
-- replaced by the last change that it had replaced.
-- Returns whether there was one, and the cost, in units of one short look.
local function leave(number, group, cell, item)
  local owned = redis.call('HGET', P .. 'cells', cell)
  if not owned then return false, 1 end
  if owned == number then
    leave_owned(number, group, cell, item)
    return true, 1
  end
  local owner, batch = string.match(owned, '^(%d+)@?(%d*)$')
  if owner == number then return false, 1 end
  if tonumber(number) < tonumber(owner) then return leave_stack(number, cell, owner), 1 end
  return leave_behind(number, group, cell, item, owner, batch ~= '')
end

-- Canceled and expired sharers of a change that is about to be sent are removed from it.
local function drop_dead_sharers(number, cell, item)
  for sharer in string.gmatch(redis.call('HGET', P .. 'shared', number .. ':' .. cell) or '', '%d+') do
    if fate(sharer) and leave_share(sharer, cell, number) then note(sharer, item, fate(sharer), '') end
  end
end
