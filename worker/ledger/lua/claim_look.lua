-- Take cells that wait for a look: items of one place, each with all its columns that wait. They are closed until end_look.lua.
-- KEYS  1 lane prefix
-- ARGV  1 how long the claim is held (ms)  2 items at most  3 claims of these cells at most, then they are sent without a look
-- Returns {'none'} | {'again'}: many changes became ready without a look, and more wait
--       | {'look', claim, how often it was handed out, parts, JSON of {number: group}, JSON of {group: spec}}, and in each case behind
--         it whether changes became ready (0|1)
-- Invariants: a cell in a claim has no other claim and is in no batch; nothing joins or replaces its change meanwhile.
-- USES  figures cells batches looks route groups leaving
local MOST_CELLS = 500 -- of one step, and the cells of one item more
local left = MOST_CELLS
-- Where nearly nothing is unchanged, only a sample is looked at.
local SAMPLE_AFTER, SAMPLE_SHARE, SAMPLE_EVERY = 500, 0.01, 10
local REMEMBERED = 30000 -- ms after the last look

local function answer(...)
  rank_groups()
  local given = {...}
  given[#given + 1] = next(touched) and 1 or 0
  return given
end

-- Whether every intent that shares the change permits to skip it.
local function may_skip(number, cell)
  local function permits(one)
    local look = redis.call('HGET', P .. 'intent:' .. one, 'lk')
    return look and string.find(look, 'S', 1, true)
  end
  if not permits(number) then return false end
  for sharer in string.gmatch(redis.call('HGET', P .. 'shared', number .. ':' .. cell) or '', '%d+') do
    if not permits(sharer) then return false end
  end
  return true
end

local function is_worth_it(place)
  if redis.call('EXISTS', P .. 'no-looks') == 1 then return false end
  local share = P .. 'look-share:' .. place
  local kept = redis.call('HMGET', share, 'seen', 'same', 'off', 'at')
  if tonumber(kept[3] or 0) > NOW then return false end
  redis.call('HSET', share, 'at', text(NOW))
  local seen = tonumber(kept[1] or 0)
  if tonumber(kept[4] or 0) < NOW - REMEMBERED then -- the next table has nothing to do with the last one
    redis.call('HDEL', share, 'seen', 'same', 'turn')
    seen = 0
  end
  if seen < SAMPLE_AFTER or tonumber(kept[2] or 0) >= seen * SAMPLE_SHARE then return true end
  return redis.call('HINCRBY', P .. 'look-share:' .. place, 'turn', 1) % SAMPLE_EVERY == 0
end

-- The items of the most urgent place, and their columns.
local function take_items(place)
  local first = redis.call('ZRANGE', P .. 'look:' .. place, 0, tonumber(ARGV[2]) - 1)
  local items, columns = {}, {}
  if #first > 0 then
    local kept = redis.call('HMGET', P .. 'look-columns:' .. place, USUAL, unpack(first))
    for i, item in ipairs(first) do
      if left <= 0 then break end
      items[i], columns[i] = item, kept[i + 1] or kept[1] or ''
      local _, commas = string.gsub(columns[i], ',', '')
      left = left - math.max(1, commas - 1)
    end
    redis.call('HDEL', P .. 'look-columns:' .. place, unpack(items))
    redis.call('ZREM', P .. 'look:' .. place, unpack(items))
  end
  local best = redis.call('ZRANGE', P .. 'look:' .. place, 0, 0, 'WITHSCORES')
  if best[2] then
    redis.call('ZADD', P .. 'looks', best[2], place)
  else
    redis.call('ZREM', P .. 'looks', place)
    redis.call('DEL', P .. 'look-columns:' .. place) -- those of most are others the next time
  end
  return items, columns
end

local function take(place)
  local items, columns = take_items(place)
  local is_looked_at, parts = is_worth_it(place), {}
  for i, item in ipairs(items) do
    for column in string.gmatch(columns[i] or '', '%d+') do
      local cell = column .. ':' .. item
      local owner = redis.call('HGET', P .. 'cells', cell)
      if owner and not string.find(owner, '@', 1, true) then
        if is_looked_at and not fate(owner) and may_skip(owner, cell) and not untrusted_until(cell) then
          parts[#parts + 1] = {cell, item, owner}
        else
          make_ready_unlooked(owner, cell, item)
        end
      end
    end
  end
  return parts
end

local function hand_out(claim, parts, times)
  redis.call('HSET', P .. 'look-claim:' .. claim, 'times', times)
  redis.call('ZADD', P .. 'look-claims', text(NOW + tonumber(ARGV[1])), claim)
  local group_of, spec_of = {}, {}
  for _, part in ipairs(parts) do
    if not group_of[part[3]] then
      local group = redis.call('HGET', P .. 'intent:' .. part[3], 'g')
      group_of[part[3]] = group
      spec_of[group] = spec_of[group] or redis.call('HGET', P .. 'group:' .. group, 'spec')
    end
  end
  return answer('look', claim, times, pack_parts(parts), cjson.encode(group_of), cjson.encode(spec_of))
end

-- A claim whose worker has ended, or that was put off. Returns its parts, or nil if it was taken too often, or the lane is paused:
-- then its changes wait again, so that they can be canceled.
local function taken_again(claim, is_paused)
  local record = P .. 'look-claim:' .. claim
  local kept = redis.call('HMGET', record, 'parts', 'times')
  local parts, times = parts_of(kept[1]), tonumber(kept[2]) + 1
  if times <= tonumber(ARGV[3]) and not is_paused then return parts, times end
  for _, part in ipairs(parts) do
    redis.call('HSET', P .. 'cells', part[1], part[3])
    walk_again(part[3], part[1])
    if is_paused then make_ready(part[3], part[1], part[2]) else make_ready_unlooked(part[3], part[1], part[2]) end
  end
  redis.call('DEL', record)
  redis.call('ZREM', P .. 'look-claims', claim)
end

local is_paused = redis.call('EXISTS', P .. 'pause') == 1
local over = redis.call('ZRANGE', P .. 'look-claims', '-inf', text(NOW), 'BYSCORE', 'LIMIT', 0, 1)[1]
if over then
  local parts, times = taken_again(over, is_paused)
  if parts then return hand_out(over, parts, times) end
end

if is_paused then return answer('none') end
while left > 0 do
  local place = redis.call('ZRANGE', P .. 'looks', 0, 0)[1]
  if not place then return answer('none') end
  local parts = take(place)
  if #parts > 0 then
    local claim, held = text(redis.call('INCR', P .. 'look-sequence')), {}
    for _, part in ipairs(parts) do
      held[#held + 1] = part[1]
      held[#held + 1] = part[3] .. '@0'
      if #held >= 1000 then redis.call('HSET', P .. 'cells', unpack(held)); held = {} end
    end
    if #held > 0 then redis.call('HSET', P .. 'cells', unpack(held)) end
    redis.call('HSET', P .. 'look-claim:' .. claim, 'parts', pack_parts(parts), 'pl', place)
    return hand_out(claim, parts, 1)
  end
end
return answer('again')
