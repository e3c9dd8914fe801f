-- The outcomes of changes, collected until write_collected() (_ending.lua) writes them.
-- USES  figures reasons
local tally, outcomes = {}, {}

local function note(number, item, letter, detail)
  local counts = tally[number]
  if not counts then counts = {}; tally[number] = counts end
  local field = FIELD_OF[letter]
  counts[field] = (counts[field] or 0) + 1
  counts.opn = (counts.opn or 0) - 1
  if letter == SUCCEEDED then return end
  if letter == FAILED then count(FIELD_OF[FAILED] .. ':' .. reason_of(detail), 1) end
  local list = outcomes[number]
  if not list then list = {}; outcomes[number] = list end
  list[#list + 1] = item
  list[#list + 1] = letter .. detail
end

local function add_to(number, field, by)
  local counts = tally[number]
  if not counts then counts = {}; tally[number] = counts end
  counts[field] = (counts[field] or 0) + by
end

local function take_sharers(number, cell)
  local name = number .. ':' .. cell
  local sharers = redis.call('HGET', P .. 'shared', name)
  if sharers then redis.call('HDEL', P .. 'shared', name) end
  return sharers
end

local function each_of(number, cell, visit)
  visit(number)
  local sharers = take_sharers(number, cell)
  if not sharers then return end
  for sharer in string.gmatch(sharers, '%d+') do visit(sharer) end
end

-- The changes that this one replaced, which wait for its outcome.
local function under(number, cell) return P .. 'under:' .. number .. ':' .. cell end

local replacement_failed = {} -- detail of a failure → detail for the changes that the failed one had replaced

local function detail_below(letter, detail)
  if letter ~= FAILED then return '' end
  if not replacement_failed[detail] then
    local known, why = pcall(cjson.decode, detail)
    local reason = known and type(why) == 'table' and type(why.reason) == 'string' and why.reason or 'no reason is known'
    replacement_failed[detail] = '{"code":"replacement_failed","reason":'
      .. cjson.encode('not written: a later change took its place, and failed: ' .. reason) .. '}'
  end
  return replacement_failed[detail]
end

-- Oldest first. A replaced change is superseded only if its replacement was written; otherwise it fails too: it cannot be sent later.
local function end_overwritten(number, cell, item, letter, detail, most)
  local popped = redis.call('ZPOPMIN', under(number, cell), most)
  local of_theirs, why = letter == FAILED and FAILED or SUPERSEDED, detail_below(letter, detail)
  for i = 1, #popped, 2 do
    each_of(popped[i], cell, function(of) note(of, item, of_theirs, why) end)
  end
  return #popped / 2
end

local MOST_OVERWRITTEN = 100 -- replaced changes that end together with their replacement; further ones are left to end_stopped.lua
local overwritten = 0

-- A change has its outcome, for its own intent and for every intent that shares it. `held`: by a batch, until now.
local function conclude(number, cell, item, letter, detail, held)
  each_of(number, cell, function(of)
    note(of, item, letter, detail)
    if held then add_to(of, 'snt', -1) end
  end)
  local below = redis.call('ZCARD', under(number, cell))
  if below == 0 then return end
  if overwritten + below > MOST_OVERWRITTEN then
    return redis.call('RPUSH', P .. 'overwritten', number .. ':' .. cell .. ' ' .. letter .. detail)
  end
  overwritten = overwritten + end_overwritten(number, cell, item, letter, detail, below)
end
