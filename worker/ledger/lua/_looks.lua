-- Changes whose cell is read before they may be sent, so that one that is not needed is not sent (docs/ledger.md, Looks).
-- USES  lane
local began_to_await = false -- in this step, a change began to wait for a look
local place_of_group = {}

local function place_of(group)
  if not place_of_group[group] then place_of_group[group] = redis.call('HGET', P .. 'group:' .. group, 'pl') end
  return place_of_group[group]
end

local any_written
-- Until when a read of the cell proves nothing, because a request of ours may have changed it a moment ago; or nil.
local function untrusted_until(cell)
  if any_written == nil then any_written = redis.call('EXISTS', P .. 'written') == 1 end
  local at = any_written and tonumber(redis.call('ZSCORE', P .. 'written', cell) or 0)
  return at and at > NOW and at or nil
end

-- A request may have changed these cells: for `ms`, a read of them may show what was there before.
local function note_written(cells, ms)
  redis.call('ZREMRANGEBYSCORE', P .. 'written', '-inf', text(NOW))
  if #cells == 0 or ms <= 0 then return end
  local at, written = text(NOW + ms), {}
  for _, cell in ipairs(cells) do
    written[#written + 1] = at
    written[#written + 1] = cell
  end
  redis.call('ZADD', P .. 'written', unpack(written))
  any_written = true
end

-- An item waits with all its columns that wait, so that one read has them all. Most items of a place wait with the same columns: only
-- others have an entry of their own.
local USUAL = '*'

-- The item's columns, or nil if it does not wait; and those of most.
local function waiting_columns(place, item)
  local kept = redis.call('HMGET', P .. 'look-columns:' .. place, USUAL, item)
  if kept[2] then return kept[2], kept[1] end
  return kept[1] and redis.call('ZSCORE', P .. 'look:' .. place, item) and kept[1] or nil, kept[1]
end

local function await_look(group, cell, item, rank)
  local place, own = place_of(group), ',' .. string.match(cell, '^%d+') .. ','
  local waiting, usual = waiting_columns(place, item)
  if not usual then
    redis.call('HSET', P .. 'look-columns:' .. place, USUAL, own)
  elseif not waiting and usual ~= own then
    redis.call('HSET', P .. 'look-columns:' .. place, item, own)
  elseif waiting and not string.find(waiting, own, 1, true) then
    redis.call('HSET', P .. 'look-columns:' .. place, item, waiting .. string.sub(own, 2))
  end
  redis.call('ZADD', P .. 'look:' .. place, 'LT', rank, item)
  redis.call('ZADD', P .. 'looks', 'LT', rank, place)
  began_to_await = true
end

-- What changes in look-columns if these items wait for a look of this column too: names and values, alternating.
local function new_columns(place, own, items)
  local kept, new = redis.call('HMGET', P .. 'look-columns:' .. place, USUAL, unpack(items)), {}
  local usual = kept[1]
  if not usual then return {USUAL, own} end
  local is_there = usual ~= own and redis.call('ZMSCORE', P .. 'look:' .. place, unpack(items)) or {}
  for i, item in ipairs(items) do
    local waiting = kept[i + 1] or is_there[i] and usual or usual == own and own or ','
    if not string.find(waiting, own, 1, true) then
      new[#new + 1] = item
      new[#new + 1] = waiting .. string.sub(own, 2)
    end
  end
  return new
end

-- The same for many items of one group and rank, in a few calls: none of them was written a moment ago.
local function await_looks(group, column, items, rank)
  local place, ranked = place_of(group), {}
  local new = new_columns(place, ',' .. column .. ',', items)
  for i, item in ipairs(items) do
    ranked[2 * i - 1] = rank
    ranked[2 * i] = item
  end
  if #new > 0 then redis.call('HSET', P .. 'look-columns:' .. place, unpack(new)) end
  redis.call('ZADD', P .. 'look:' .. place, 'LT', unpack(ranked))
  redis.call('ZADD', P .. 'looks', 'LT', rank, place)
  began_to_await = true
end

-- A change that waits for a look has become more urgent.
local function hurry_look(group, item, rank)
  local place = place_of(group)
  if redis.call('ZADD', P .. 'look:' .. place, 'XX', 'LT', 'CH', rank, item) == 1 then
    redis.call('ZADD', P .. 'looks', 'LT', rank, place)
  end
end

-- The change leaves its cell before it was looked at.
local function await_nothing(number, group, cell, item)
  local look = redis.call('HGET', P .. 'intent:' .. number, 'lk')
  if not look then return end
  redis.call('ZREM', P .. 'later', cell)
  local place, column = place_of(group), string.match(cell, '^%d+')
  local waiting = waiting_columns(place, item)
  if not waiting then return end
  local rest = string.gsub(waiting, ',' .. column .. ',', ',')
  if rest ~= ',' then return redis.call('HSET', P .. 'look-columns:' .. place, item, rest) end
  redis.call('HDEL', P .. 'look-columns:' .. place, item)
  redis.call('ZREM', P .. 'look:' .. place, item)
  if redis.call('EXISTS', P .. 'look:' .. place) == 0 then redis.call('DEL', P .. 'look-columns:' .. place) end
end

-- A cell is open again: an intent that was stopped meanwhile is looked through again, because its walk passed the closed cell by.
local function walk_again(number, cell)
  local function mark(one)
    local kept = redis.call('HMGET', P .. 'intent:' .. one, 'stop', 'end')
    if not kept[1] or kept[2] then return end
    redis.call('HDEL', P .. 'intent:' .. one, 'at')
    redis.call('ZADD', P .. 'stopping', 'NX', text(NOW), one)
  end
  mark(number)
  for sharer in string.gmatch(redis.call('HGET', P .. 'shared', number .. ':' .. cell) or '', '%d+') do mark(sharer) end
end

-- The owner of a cell may be sent, now or after a look. `look`: 'S' the change is skipped if it is not needed, 'T' its request needs a read
-- that proves something; nil: neither.
local function admit(group, look, cell, item, rank)
  local untrusted = look and untrusted_until(cell)
  if untrusted and string.find(look, 'T', 1, true) then return redis.call('ZADD', P .. 'later', text(untrusted), cell) end
  if look and not untrusted and string.find(look, 'S', 1, true) then return await_look(group, cell, item, rank) end
  redis.call('ZADD', P .. 'ready:' .. group, rank, item)
  touched[group] = true
end
