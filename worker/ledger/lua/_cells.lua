-- Who owns a cell and who stands in its line, how urgent they are, and which changes are ready.
-- USES  lane looks
local stepped_back = {} -- group → increase in the number of its changes that wait behind others

-- The urgency in a cell's line: '<number> <priority>' of each change that is more urgent than all later ones, in order.
-- All changes up to that number are as urgent. Kept until the line has passed it, even if that change has left.
local function urgent_ones(cell)
  local list = {}
  for number, priority in string.gmatch(redis.call('HGET', P .. 'urgent', cell) or '', '(%d+) (%d)') do
    list[#list + 1] = {tonumber(number), tonumber(priority)}
  end
  return list
end

local function set_urgent_ones(cell, list)
  if #list == 0 then return redis.call('HDEL', P .. 'urgent', cell) end
  for i, one in ipairs(list) do list[i] = text(one[1]) .. ' ' .. one[2] end
  redis.call('HSET', P .. 'urgent', cell, table.concat(list, ','))
end

-- The highest priority of the intents that share this change, and of the changes that wait behind it.
local function urgency(number, cell, own)
  local priority = tonumber(own or 5)
  for sharer in string.gmatch(redis.call('HGET', P .. 'shared', number .. ':' .. cell) or '', '%d+') do
    priority = math.max(priority, tonumber(redis.call('HGET', P .. 'intent:' .. sharer, 'p') or 5))
  end
  for _, one in ipairs(urgent_ones(cell)) do
    if one[1] >= tonumber(number) then priority = math.max(priority, one[2]) end
  end
  return priority
end

-- The owner of a cell may be sent.
local function make_ready(number, cell, item)
  local intent = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'p', 'lk')
  admit(intent[1], intent[3], cell, item, rank_of(number, urgency(number, cell, intent[2])))
  return intent[1]
end

-- The same, but it was looked at, or need not be: then only its request may have to wait.
local function make_ready_unlooked(number, cell, item)
  local intent = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'p', 'lk')
  local needs_trust = intent[3] and string.find(intent[3], 'T', 1, true) and 'T' or nil
  admit(intent[1], needs_trust, cell, item, rank_of(number, urgency(number, cell, intent[2])))
end

-- The urgency of the owner of a cell has changed.
local function rank_again(number, cell, item)
  local intent = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'p')
  redis.call('ZADD', P .. 'ready:' .. intent[1], 'XX', rank_of(number, urgency(number, cell, intent[2])), item)
  touched[intent[1]] = true
end

local function step_back(group, by) stepped_back[group] = (stepped_back[group] or 0) + by end

-- Requests that ended without outcomes may have written these changes: a condition is later checked against a value that may be ours.
local function note_maybe(parts)
  for _, part in ipairs(parts) do
    local look = redis.call('HGET', P .. 'intent:' .. part[3], 'lk')
    if look and string.find(look, 'T', 1, true) then redis.call('HSET', P .. 'maybe', part[1], part[3]) end
  end
end

-- The cell's owner has ended: the next in line becomes the owner, or the cell is deleted.
local function pass_on(cell, item)
  redis.call('HDEL', P .. 'maybe', cell)
  local next_number = redis.call('LPOP', P .. 'behind:' .. cell)
  if not next_number then
    redis.call('HDEL', P .. 'urgent', cell)
    return redis.call('HDEL', P .. 'cells', cell)
  end
  redis.call('HSET', P .. 'cells', cell, next_number)
  local urgent = urgent_ones(cell)
  if urgent[1] and urgent[1][1] < tonumber(next_number) then
    while urgent[1] and urgent[1][1] < tonumber(next_number) do table.remove(urgent, 1) end
    set_urgent_ones(cell, urgent)
  end
  step_back(make_ready(next_number, cell, item), -1)
end
