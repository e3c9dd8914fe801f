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

-- An item waits with all its columns that wait, so that one read has them all.
local function await_look(group, cell, item, rank)
  local place, column = place_of(group), string.match(cell, '^%d+')
  local waiting = redis.call('HGET', P .. 'look-columns:' .. place, item) or ','
  if not string.find(waiting, ',' .. column .. ',', 1, true) then
    redis.call('HSET', P .. 'look-columns:' .. place, item, waiting .. column .. ',')
  end
  redis.call('ZADD', P .. 'look:' .. place, 'LT', rank, item)
  redis.call('ZADD', P .. 'looks', 'LT', rank, place)
  began_to_await = true
end

-- The same for many items of one group and rank, in a few calls: none of them was written a moment ago.
local function await_looks(group, column, items, rank)
  local place, own, waiting, ranked = place_of(group), ',' .. column .. ',', {}, {}
  local known = redis.call('HMGET', P .. 'look-columns:' .. place, unpack(items))
  for i, item in ipairs(items) do
    if not known[i] or not string.find(known[i], own, 1, true) then
      waiting[#waiting + 1] = item
      waiting[#waiting + 1] = known[i] and known[i] .. column .. ',' or own
    end
    ranked[#ranked + 1] = rank
    ranked[#ranked + 1] = item
  end
  if #waiting > 0 then redis.call('HSET', P .. 'look-columns:' .. place, unpack(waiting)) end
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
  local waiting = redis.call('HGET', P .. 'look-columns:' .. place, item)
  if not waiting then return end
  local rest = string.gsub(waiting, ',' .. column .. ',', ',')
  if rest ~= ',' then return redis.call('HSET', P .. 'look-columns:' .. place, item, rest) end
  redis.call('HDEL', P .. 'look-columns:' .. place, item)
  redis.call('ZREM', P .. 'look:' .. place, item)
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
