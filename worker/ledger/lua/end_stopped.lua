-- End a bounded part of the waiting changes of canceled or expired intents. Changes in a batch are not affected.
-- Before that, end replaced changes whose replacement has ended, if they were too many for that step.
-- KEYS  1 lane prefix
-- ARGV  1 how many changes at most, roughly  2… numbers of stopped intents; none: the next ones
-- Returns {finished intents of the argument, intents ended, changes became ready (0|1), more is left (0|1), changes wait for a look (0|1)}
-- Invariant: a stopped intent is in `stopping` until each of its items was checked.
-- USES  leaving ending
local left = tonumber(ARGV[1])
local TURNS = 100 -- intents that are looked up at once
local column_of = {}

local function column(group)
  if not column_of[group] then column_of[group] = redis.call('HGET', P .. 'group:' .. group, 'col') end
  return column_of[group]
end

-- Returns whether every item was checked.
local function end_part(number)
  local record = P .. 'intent:' .. number
  local kept = redis.call('HMGET', record, 'g', 'it', 'stop', 'at', 'end')
  if not kept[1] or not kept[3] or kept[5] then
    redis.call('ZREM', P .. 'stopping', number)
    return true
  end
  local in_column = column(kept[1]) .. ':'
  local list, from = kept[2], tonumber(kept[4] or 1)
  while left > 0 do
    local first, last = string.find(list, '%d+', from)
    if not first then
      if kept[4] then redis.call('HDEL', record, 'at') end
      redis.call('ZREM', P .. 'stopping', number)
      return true
    end
    local item = string.sub(list, first, last)
    local had_one, cost = leave(number, kept[1], in_column .. item, item)
    if had_one then note(number, item, kept[3], '') end
    left, from = left - cost, last + 1
  end
  redis.call('HSET', record, 'at', text(from))
  return false
end

-- Some stopped intents, and some expired ones, which are stopped here.
local function next_ones()
  local stopped = redis.call('ZRANGE', P .. 'stopping', 0, TURNS - 1)
  if #stopped > 0 then return stopped end
  local expired = redis.call('ZRANGE', P .. 'expiring', '-inf', text(WALL), 'BYSCORE', 'LIMIT', 0, TURNS)
  for _, number in ipairs(expired) do mark_stopped(number, EXPIRED) end
  return #expired > 0 and redis.call('ZRANGE', P .. 'stopping', 0, TURNS - 1) or {}
end

-- Returns how many of these are finished.
local function end_these(numbers)
  local done = 0
  while left > 0 and done < #numbers and end_part(numbers[done + 1]) do done, left = done + 1, left - 1 end
  return done
end

local function end_some_overwritten()
  local entry = redis.call('LINDEX', P .. 'overwritten', 0)
  if not entry then return 0 end
  local number, cell, item, letter, detail = string.match(entry, '^(%d+):(%d+:(%d+)) (.)(.*)$')
  local ended = end_overwritten(number, cell, item, letter, detail, left)
  if redis.call('EXISTS', under(number, cell)) == 0 then redis.call('LPOP', P .. 'overwritten') end
  return ended
end

local done = 0
if #ARGV > 1 then
  done = end_these({unpack(ARGV, 2)})
else
  repeat
    local ended = end_some_overwritten()
    left = left - ended
  until left <= 0 or ended == 0
  while left > 0 do
    local numbers = next_ones()
    if #numbers == 0 then break end
    end_these(numbers)
  end
end
local ended = write_collected()
return {done, ended, next(touched) and 1 or 0, some_are_dead() and 1 or 0, began_to_await and 1 or 0}
