-- Shared by every script of a lane: the loader puts this text in front of each of them.
-- KEYS[1] is the lane's prefix, '<prefix>:{<lane>}:'. All other keys are built from it, so that they share its hash tag.
local P = KEYS[1]
local STEP = 281474976710656 -- 2^48: a rank is (9 - priority) * STEP + intent number, exact in a double
local LATER = STEP / 2 -- more in the rank of a group of which changes wait behind others: sent now, it has to be sent again
local BATCH_ITEMS = 50 -- the official limit of one request
local FIELD_OF = {o = 'ok', f = 'fl', s = 'sp', c = 'cn', e = 'ex'} -- outcome letter → counter of the record

local function text(number) return string.format('%.0f', number) end

-- NOW is the ledger's clock (_clock.lua): for what is due, lasts or has waited. WALL is the server's: for moments that came from
-- outside, or that people look at. Both in ms.
local ledger_us, wall_us = read_clock()
local NOW, WALL = math.floor(ledger_us / 1000), math.floor(wall_us / 1000)
local touched, tally, outcomes = {}, {}, {}
local stepped_back = {} -- group → how many more of its changes wait behind others than before this step

-- What is counted for metrics (docs/metrics.md) goes into one hash, a command per field, when the step is done.
-- Buckets of a histogram are fields `<name>:<upper bound>`; worker/metrics/ledger.py knows the same bounds.
local BOUNDS = {
  applied = {500, 1000, 2000, 5000, 10000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 14400000, 43200000, 86400000}, -- ms
  lag = {100, 250, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000}, -- ms
  fill = {1, 2, 5, 10, 20, 30, 40, 49, 50}, -- items
  polls = {1, 2, 3, 5, 10, 20, 50},
}
local figures = {}

local function count(field, by) figures[field] = (figures[field] or 0) + by end

local function observe(name, value, times)
  local bucket = 'inf'
  for _, bound in ipairs(BOUNDS[name]) do
    if value <= bound then bucket = text(bound); break end
  end
  count(name .. ':' .. bucket, times)
  count(name .. ':sum', value * times)
end

local function write_figures()
  for field, by in pairs(figures) do
    if by ~= 0 then redis.call('HINCRBY', P .. 'metrics', field, text(by)) end
  end
  figures = {}
end

-- Few words for the many codes with which a change may fail. A code that is none of ours is the remote system's: a number
-- where it refused the request, a word where a job refused the item.
local REASON_OF = {outcome_unknown = 'outcome_unknown', not_stored = 'not_stored', crashed = 'crashed', no_lane = 'no_lane',
  not_understood = 'not_understood', refused = 'request_refused', remote_refused = 'item_refused',
  unknown_space = 'refused_at_intake', unknown_type = 'refused_at_intake',
  unknown_field = 'refused_at_intake', obsolete_field = 'refused_at_intake',
  calculated_field = 'refused_at_intake', field_not_writable = 'refused_at_intake', mode_not_allowed = 'refused_at_intake',
  bad_value = 'refused_at_intake', unknown_option = 'refused_at_intake', disabled_option = 'refused_at_intake',
  replacement_failed = 'replacement_failed', unknown_person = 'refused_at_intake', ambiguous = 'refused_at_intake', cannot_resolve = 'refused_at_intake'}
local reasons = {}

local function reason_of(detail)
  if reasons[detail] then return reasons[detail] end
  local code = string.match(detail, '^{"code":"([^"]*)"') or ''
  local reason = REASON_OF[code] or (string.find(code, '^%-?%d+$') and 'request_refused')
    or (string.find(code, '^[%w_ .-]+$') and 'item_refused') or 'other'
  reasons[detail] = reason
  return reason
end

local function rank_of(number, priority) return text((9 - tonumber(priority or 5)) * STEP + tonumber(number)) end

-- How urgent those are who wait in a cell's line: '<number> <priority>' of each that is more urgent than all behind it, in order.
-- Whoever stands at or before that number is as urgent. Kept until the line has passed it, though it may have left.
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

-- As urgent as the most urgent of those who want this change, and of those who wait behind it.
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
  local intent = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'p')
  redis.call('ZADD', P .. 'ready:' .. intent[1], rank_of(number, urgency(number, cell, intent[2])), item)
  touched[intent[1]] = true
  return intent[1]
end

local function step_back(group, by) stepped_back[group] = (stepped_back[group] or 0) + by end

-- The cell's owner is done with it: the next in line becomes the owner, or the cell is forgotten.
local function pass_on(cell, item)
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

local function note(number, item, letter, detail)
  local counts = tally[number]
  if not counts then counts = {}; tally[number] = counts end
  local field = FIELD_OF[letter]
  counts[field] = (counts[field] or 0) + 1
  counts.opn = (counts.opn or 0) - 1
  if letter == 'o' then return end
  if letter == 'f' then count('fl:' .. reason_of(detail), 1) end
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

-- The changes that gave way to this one, and wait to learn whether it is written.
local function under(number, cell) return P .. 'under:' .. number .. ':' .. cell end

local replacement_failed = {} -- detail of a failure → that of the changes that gave way to what failed

local function detail_below(letter, detail)
  if letter ~= 'f' then return '' end
  if not replacement_failed[detail] then
    local known, why = pcall(cjson.decode, detail)
    local reason = known and type(why) == 'table' and type(why.reason) == 'string' and why.reason or 'no reason is known'
    replacement_failed[detail] = '{"code":"replacement_failed","reason":'
      .. cjson.encode('not written: a later change took its place, and failed: ' .. reason) .. '}'
  end
  return replacement_failed[detail]
end

-- Oldest first. What gave way is superseded only by what was written; otherwise it fails as well: later it cannot be sent.
local function end_overwritten(number, cell, item, letter, detail, most)
  local popped = redis.call('ZPOPMIN', under(number, cell), most)
  local of_theirs, why = letter == 'f' and 'f' or 's', detail_below(letter, detail)
  for i = 1, #popped, 2 do
    each_of(popped[i], cell, function(of) note(of, item, of_theirs, why) end)
  end
  return #popped / 2
end

local MOST_OVERWRITTEN = 100 -- changes that end at once with those that took their place; more are left to end_stopped.lua
local overwritten = 0

-- A change has its outcome: its own intent's and that of every intent that shares it. `held`: by a batch, until now.
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

-- Calls `visit` with the number of each intent that wants one of these changes, sharers included, once per change.
-- While a batch holds a change, nobody joins or leaves those who share it.
local function each_wish(column, items, visit)
  local names = {}
  for i, pair in ipairs(items) do names[i] = pair[2] .. ':' .. column .. ':' .. pair[1] end
  local shared = redis.call('HMGET', P .. 'shared', unpack(names))
  for i, pair in ipairs(items) do
    visit(pair[2])
    if shared[i] then
      for sharer in string.gmatch(shared[i], '%d+') do visit(sharer) end
    end
  end
end

-- A request left, or may have: one for each intent that wants something of it, however many of its items were in it.
local function count_request(column, items)
  count('sent', 1)
  local seen = {}
  each_wish(column, items, function(number)
    if seen[number] then return end
    seen[number] = true
    redis.call('HINCRBY', P .. 'intent:' .. number, 'rq', 1)
  end)
end

local function end_intent(number)
  local record = P .. 'intent:' .. number
  redis.call('HSET', record, 'end', text(WALL))
  local bad = redis.call('HMGET', record, 'fl', 'cn', 'ex', 'x', 'stop')
  local list = (bad[1] or bad[2] or bad[3]) and 'ended:failed' or 'ended:succeeded'
  redis.call('ZADD', P .. list, text(WALL), number)
  redis.call('ZADD', P .. 'outbox', text(NOW), number)
  redis.call('ZREM', P .. 'open-intents', number)
  if bad[4] then redis.call('ZREM', P .. 'expiring', number) end
  if bad[5] then redis.call('ZREM', P .. 'stopping', number) end
end

-- From here on nothing of this intent is sent that no batch holds.
local function mark_stopped(number, letter)
  redis.call('HSET', P .. 'intent:' .. number, 'stop', letter)
  redis.call('ZADD', P .. 'stopping', text(NOW), number)
  redis.call('ZREM', P .. 'expiring', number)
end

-- Below zero: they stood there before anybody counted, in a ledger of an earlier version.
local function count_steps_back()
  for group, by in pairs(stepped_back) do
    if by ~= 0 and redis.call('HINCRBY', P .. 'behind-of', group, by) <= 0 then redis.call('HDEL', P .. 'behind-of', group) end
  end
end

-- Returns whether the group has ready changes.
local function rank_group(group)
  local ready = P .. 'ready:' .. group
  local best = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
  if #best == 0 then
    redis.call('ZREM', P .. 'full', group)
    redis.call('ZREM', P .. 'part', group)
    redis.call('ZREM', P .. 'since', group)
    return false
  end
  local into, out, rank = 'full', 'part', best[2]
  if redis.call('ZCARD', ready) < BATCH_ITEMS then
    into, out = 'part', 'full'
    if redis.call('HEXISTS', P .. 'behind-of', group) == 1 then rank = text(tonumber(rank) + LATER) end
  end
  redis.call('ZADD', P .. into, rank, group)
  redis.call('ZREM', P .. out, group)
  redis.call('ZADD', P .. 'since', 'NX', text(NOW), group)
  return true
end

-- `work` of the metrics: since when there has been something ready and no slot for it.
local function rank_groups()
  count_steps_back()
  local is_ready = false
  for group in pairs(stepped_back) do
    if not touched[group] then rank_group(group) end
  end
  for group in pairs(touched) do is_ready = rank_group(group) or is_ready end
  if is_ready then
    redis.call('HSETNX', P .. 'metrics', 'work', text(NOW))
  elseif next(touched) and redis.call('EXISTS', P .. 'full', P .. 'part') == 0 then
    redis.call('HDEL', P .. 'metrics', 'work')
  end
end

-- An intent's changes settle together, so its age is taken once.
local function count_outcomes(number, counts)
  if counts.fl then redis.call('ZADD', P .. 'failures', text(WALL), number) end
  for field, by in pairs(counts) do
    if field ~= 'rq' then count(field, by) end
  end
  if not counts.ok then return end
  local enqueued_at = tonumber(redis.call('HGET', P .. 'intent:' .. number, 't') or 0)
  if enqueued_at > 0 then observe('applied', math.max(0, WALL - enqueued_at), counts.ok) end
end

-- Write what note(), conclude(), make_ready() and count() collected. Returns how many intents ended.
local function write_collected()
  local ended = {}
  for number, list in pairs(outcomes) do
    for first = 1, #list, 1000 do
      redis.call('HSET', P .. 'outcomes:' .. number, unpack(list, first, math.min(first + 999, #list)))
    end
  end
  for number, counts in pairs(tally) do
    count_outcomes(number, counts)
    local record = P .. 'intent:' .. number
    for field, by in pairs(counts) do
      local value = redis.call('HINCRBY', record, field, by)
      if field == 'opn' and by < 0 and value == 0 then ended[#ended + 1] = number end
    end
  end
  for _, number in ipairs(ended) do end_intent(number) end
  rank_groups()
  write_figures()
  return #ended
end

-- A batch's items as a list of {item, number}.
local function items_of(packed)
  local list = {}
  for item, number in string.gmatch(packed, '(%d+):(%d+)') do list[#list + 1] = {item, number} end
  return list
end

local function pack_items(list)
  local parts = {}
  for i, pair in ipairs(list) do parts[i] = pair[1] .. ':' .. pair[2] end
  return table.concat(parts, ',')
end

local PLACE_OF = {open = 'jobs', resend = 'due', reask = 'due', check = 'checks'} -- state of a batch → where it waits

local function place(batch, state, at)
  for _, zset in ipairs({'jobs', 'due', 'checks'}) do
    if PLACE_OF[state] ~= zset then redis.call('ZREM', P .. zset, batch) end
  end
  redis.call('HSET', P .. 'batch:' .. batch, 'state', state)
  if PLACE_OF[state] then redis.call('ZADD', P .. PLACE_OF[state], text(at), batch) end
end
