-- Take the lane's lease and a batch to send: one that must be sent (again), else a new one composed now from a group's ready changes.
-- The batch is recorded here, before its first byte is sent.
-- KEYS  1 lane prefix
-- ARGV  1 owner of the lease  2 lease (ms)  3 limit of unfinished batches  4 longest wait of a group (ms)
--       5 idempotency UUID for a new send  6 fingerprint of the token  7 a slot (ms)  8 where to continue, from 'again', or ''
--       9 '1' = groups of a route that was switched on or off are ranked by later claims
-- Returns {'paused', reason} | {'held', ms until the lease ends} | {'full'}
--       | {'idle', ms until a batch is due again, or -1, canceled or expired intents must be ended (0|1), changes wait for a look (0|1)}
--       | {'again', where to continue}: all changes that were read so far are canceled or expired
--       | {'batch', batch, spec, more work is ready (0|1), canceled or expired intents must be ended (0|1), changes wait for a look (0|1),
--          field, value, …}
-- Invariants: one lease, so one batch is being sent; a batch holds changes of one group, each the owner of its cell;
--             a change that was canceled or expired before the claim is not sent.
-- USES  figures outcomes requests cells batches route groups resort ending leaving dissolving lost later
local LOOK_AGAIN = 250 -- ms
local BUSY_FOR = 200 -- ms until an item may be free of its single update
local reason = redis.call('GET', P .. 'pause')
if reason then return {'paused', reason} end
local held_for = held_back()
if held_for then return {'idle', math.min(held_for, LOOK_AGAIN), 0, 0} end

local lease = redis.call('HMGET', R .. 'lease', 'owner', 'until', 'batch')
if lease[1] then
  if lease[1] ~= ARGV[1] and tonumber(lease[2]) > NOW then return {'held', tonumber(lease[2]) - NOW} end
  -- Its owner died, or lost the lease, between the claim and the answer: whether the request was sent is unknown.
  local left = redis.call('HMGET', P .. 'batch:' .. lease[3], 'state', 'parts', 'kind')
  if left[1] == 'sending' then
    place(lease[3], 'reask', NOW)
    count_request(parts_of(left[2]))
    -- Counted as a repeat: a batch that kills its worker must not be sent forever.
    redis.call('HINCRBY', P .. 'batch:' .. lease[3], 'reasks', 1)
    if left[3] ~= 'reask' then count('unk', 1) end
    write_figures()
  end
  redis.call('DEL', R .. 'lease')
end

wake_later()
give_up_lost_ones()

-- What the single route was to send again while it is off.
local function take_over_singles()
  local left = singles().rate == 0 and singles().is_used and redis.call('ZRANGE', S .. 'due', 0, 99) or {}
  for _, batch in ipairs(left) do dissolve(batch, parts_of(redis.call('HGET', P .. 'batch:' .. batch, 'parts'))) end
  if #left > 0 then write_collected() end
  return #left > 0
end
if ARGV[9] ~= '1' and (take_over_singles() or sort_again()) then return {'again', ''} end

-- Whether single updates need so long for what they have that a batch may help: a small group then costs a whole request.
local function singles_need_help()
  local rate = singles().rate
  return rate > 0 and redis.call('ZCARD', S .. 'small') > 2 * rate
end

local function head(zset)
  local entry = redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')
  return entry[1], tonumber(entry[2])
end

-- Count the slot, and the time beyond its length in which nothing was sent although something could have been. `since`: the time
-- from which the batch could have been claimed, or nil: while changes were ready and the limit of unfinished batches was not reached.
local function count_slot(since)
  local kept = redis.call('HMGET', P .. 'metrics', 'handed', 'work', 'full', 'room', 'resumed')
  local ready_since = tonumber(kept[2]) or NOW
  if kept[3] then ready_since = since or math.max(ready_since, tonumber(kept[4]) or 0) end
  local from = math.max(math.min(since or NOW, ready_since), tonumber(kept[1]) or 0, tonumber(kept[5]) or 0)
  count('idle', math.max(0, NOW - from - tonumber(ARGV[7])))
end

local function hand_out(batch, parts, are_dead)
  local fence = redis.call('INCR', P .. 'fence')
  redis.call('HSET', R .. 'lease', 'owner', ARGV[1], 'until', text(NOW + tonumber(ARGV[2])), 'batch', batch, 'fence', text(fence))
  redis.call('ZREM', P .. 'due', batch)
  local record = P .. 'batch:' .. batch
  redis.call('HSET', record, 'state', 'sending', 'sent', text(NOW), 'fence', text(fence))
  note_blocked(record, parts)
  local spec = redis.call('HGET', P .. 'group:' .. redis.call('HGET', record, 'g'), 'spec')
  local more = (redis.call('EXISTS', R .. 'full', R .. 'part') > 0 or singles_need_help()) and 1 or 0
  redis.call('HDEL', P .. 'metrics', 'full', 'room', 'work')
  redis.call('HSET', P .. 'metrics', 'handed', text(NOW), unpack(more == 1 and {'work', text(NOW)} or {}))
  local answer = {'batch', batch, spec, more, are_dead and 1 or 0, began_to_await and 1 or 0, 'now', text(NOW)}
  for _, value in ipairs(redis.call('HGETALL', record)) do answer[#answer + 1] = value end
  return answer
end

local function again(batch)
  local record = P .. 'batch:' .. batch
  local kept = redis.call('HMGET', record, 'state', 'parts')
  redis.call('HSET', record, 'kind', kept[1])
  if kept[1] == 'resend' then
    redis.call('HSET', record, 'idem', ARGV[5], 'token', ARGV[6], 'first', text(NOW))
    redis.call('HINCRBY', record, 'tries', 1)
    redis.call('HDEL', record, 'looked')
  end
  return hand_out(batch, parts_of(kept[2]))
end

local due, due_at = head(P .. 'due')
if due and due_at <= NOW then
  count_slot(due_at)
  write_figures()
  return again(due)
end
local _, later_at = head(P .. 'later')
local next_at = math.min(due_at or math.huge, later_at or math.huge)
local until_due = next_at < math.huge and math.max(0, next_at - NOW) or -1
local unfinished = redis.call('ZCARD', P .. 'jobs') + redis.call('ZCARD', P .. 'checks') + redis.call('ZCARD', P .. 'due')
if unfinished >= tonumber(ARGV[3]) then
  redis.call('HSET', P .. 'metrics', 'full', '1')
  return {'full'}
end

-- After sending a small group, a further request is needed when more of it arrives or waits behind others. So with
-- a backlog, overdue groups get few slots, and groups with changes behind others must wait much longer (bench/packing.py).
local OVERDUE_TURN = 4 -- at most every 4th batch
local PATIENCE = 5 -- times the longest wait, for a group that would need another request
local OVERDUE_SEEN = 256 -- groups that are examined; a complete group behind more others waits as long as they do

-- The group whose turn it is, which is recorded, or nil.
local function overdue_turn()
  if tonumber(redis.call('GET', R .. 'overdue-turn-in') or 0) > 0 then return nil end
  local longest = tonumber(ARGV[4])
  local waiting = redis.call('ZRANGE', R .. 'since', '-inf', text(NOW - longest), 'BYSCORE', 'LIMIT', 0, OVERDUE_SEEN, 'WITHSCORES')
  if #waiting == 0 then return nil end
  local groups = {}
  for i = 1, #waiting, 2 do groups[#groups + 1] = waiting[i] end
  local behind = redis.call('HMGET', P .. 'behind-of', unpack(groups))
  local full = redis.call('ZMSCORE', R .. 'full', unpack(groups))
  for i, group in ipairs(groups) do
    if not behind[i] or full[i] or tonumber(waiting[2 * i]) <= NOW - PATIENCE * longest then
      redis.call('SET', R .. 'overdue-turn-in', OVERDUE_TURN)
      return group
    end
  end
end

-- Canceled and expired changes stay ready until end_stopped.lua ends them. A claim skips them and writes nothing: if thousands
-- end at one moment, the next request does not wait for that.
local MOST_LOOKS = 500 -- dead intents and groups that one claim may read, so that it does not block the server for long
local are_dead, looks = some_are_dead(), 0
-- Where a single update writes its whole item, a batch does not meet it.
local some_are_busy = singles().alone and redis.call('EXISTS', S .. 'items') == 1
local met_busy = false
local function is_busy(item)
  local it_is = some_are_busy and redis.call('HEXISTS', S .. 'items', item) == 1
  met_busy = met_busy or it_is
  return it_is
end
-- Ranks up to which the groups of each list were read; a group that was read in part, and the rank of its last dead change.
local full_passed, part_passed, begun_group, begun_at = string.match(ARGV[8], '^(%S+) (%S+) (%S+) (%S+)$')
local passed = {full = full_passed or '-inf', part = part_passed or '-inf'}

local function beyond(rank) return rank == '-inf' and rank or '(' .. rank end

local function next_of(list)
  return unpack(redis.call('ZRANGE', R .. list, beyond(passed[list]), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES'))
end

local asked_singles = false
-- Of the most urgent groups of the single route, while it cannot send them soon. Once for each step.
local function largest_small_one()
  if asked_singles or not singles_need_help() then return nil end
  asked_singles = true
  local best = redis.call('ZRANGE', S .. 'small', 0, 0, 'WITHSCORES')[2]
  local worst_place = text((math.floor(best / STEP) + 1) * STEP)
  return redis.call('ZRANGE', S .. 'small', '(' .. worst_place, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1)[1]
end

-- Full batches first, except for a group with higher priority. No group is returned twice.
local function choose()
  local full, full_rank = next_of('full')
  local part, part_rank = next_of('part')
  if full and (not part or math.floor(full_rank / STEP) <= math.floor(part_rank / STEP)) then
    passed.full = full_rank
    return full
  end
  if part then passed.part = part_rank end
  return part or largest_small_one()
end

local OVERTAKEN_PLACES = 5 -- of a batch

-- If more urgent changes of the group fill its batches, overdue ones get a few places, each instead of a younger
-- one. They are removed from the ready ones, and returned like the result of ZPOPMIN.
local function take_overtaken(group)
  local ready = P .. 'ready:' .. group
  if redis.call('ZCARD', ready) <= ROUTE_ITEMS then return {} end
  local giving = redis.call('ZRANGE', ready, ROUTE_ITEMS - OVERTAKEN_PLACES, ROUTE_ITEMS - 1, 'WITHSCORES')
  local worst = math.floor(redis.call('ZRANGE', ready, -1, -1, 'WITHSCORES')[2] / STEP)
  local waiting = {}
  for band = math.floor(giving[#giving] / STEP) + 1, worst do
    local oldest = redis.call('ZRANGE', ready, text(band * STEP), '(' .. text((band + 1) * STEP), 'BYSCORE', 'LIMIT', 0,
      OVERTAKEN_PLACES, 'WITHSCORES')
    for i = 1, #oldest, 2 do waiting[#waiting + 1] = {oldest[i], oldest[i + 1], oldest[i + 1] % STEP} end
  end
  table.sort(waiting, function(one, other) return one[3] < other[3] or one[3] == other[3] and one[1] < other[1] end)
  local taken = {}
  for place, one in ipairs(waiting) do
    local instead_of = giving[#giving - 2 * (place - 1)]
    if not instead_of or one[3] >= instead_of % STEP then break end
    local enqueued_at = tonumber(redis.call('HGET', P .. 'intent:' .. text(one[3]), 't') or 0)
    if WALL - enqueued_at < tonumber(ARGV[4]) then break end
    if not is_busy(one[1]) then
      redis.call('ZREM', ready, one[1])
      taken[#taken + 1] = one[1]
      taken[#taken + 1] = one[2]
    end
  end
  return taken
end

local function add_living(taken, column, found)
  for i = 1, #found, 2 do
    taken[#taken + 1] = {column .. ':' .. found[i], found[i], text(tonumber(found[i + 1]) % STEP)}
  end
end

-- Move the active ones of `found` from the ready changes to `taken`. Returns the rank of the last dead one, and how many busy ones are
-- behind it. Changes of one intent with one urgency have one rank, and the same fate.
local function sift(taken, ready, column, found, last_dead, busy)
  local living = {}
  for i = 1, #found, 2 do
    local item, rank = found[i], found[i + 1]
    local number = text(tonumber(rank) % STEP)
    if fate(number) then
      if rank ~= last_dead then last_dead, looks, busy = rank, looks + 1, 0 end
    elseif is_busy(item) then
      busy = busy + 1
    else
      local cell = column .. ':' .. item
      drop_dead_sharers(number, cell, item)
      taken[#taken + 1] = {cell, item, number}
      living[#living + 1] = item
    end
  end
  if #living > 0 then redis.call('ZREM', ready, unpack(living)) end
  return last_dead, busy
end

-- The best active changes of the group, at most a batch, as a list of {cell, item, number}; and where to continue after too many dead ones.
local function take_living(group, column, from)
  local ready, taken = P .. 'ready:' .. group, {}
  if not are_dead then add_living(taken, column, take_overtaken(group)) end
  if not are_dead and not some_are_busy then
    add_living(taken, column, redis.call('ZPOPMIN', ready, ROUTE_ITEMS - #taken))
    return taken
  end
  local busy = 0
  while #taken < ROUTE_ITEMS and looks < MOST_LOOKS do
    local found = redis.call('ZRANGE', ready, beyond(from), '+inf', 'BYSCORE', 'LIMIT', busy, ROUTE_ITEMS - #taken, 'WITHSCORES')
    if #found == 0 or busy >= MOST_LOOKS then return taken end
    from, busy = sift(taken, ready, column, found, from, busy)
  end
  return taken, from
end

-- A group and its best changes; or nil, and where to continue if that was not all.
local function compose()
  local group, from = begun_group, begun_at
  if ARGV[8] == '' then group = overdue_turn() end
  if group == '-' then group = nil end
  while true do
    group = group or choose()
    if not group then return nil end
    local column = redis.call('HGET', P .. 'group:' .. group, 'col')
    local parts, stopped_at = take_living(group, column, from or '-inf')
    if #parts > 0 then return group, parts end
    looks = looks + 1
    if looks >= MOST_LOOKS then
      local rest = stopped_at and group .. ' ' .. stopped_at or '- -inf'
      return nil, passed.full .. ' ' .. passed.part .. ' ' .. rest
    end
    group, from = nil, nil
  end
end

local group, parts = compose()
if not group and parts then return {'again', parts} end
if not group then
  if met_busy then
    until_due = until_due < 0 and BUSY_FOR or math.min(until_due, BUSY_FOR)
    redis.call('HSET', P .. 'metrics', 'resumed', text(NOW)) -- that nothing was sent until now is no idleness
  end
  return {'idle', until_due, are_dead and 1 or 0, began_to_await and 1 or 0}
end
local held = {}
touched[group] = true
redis.call('ZREM', S .. 'since', group)
count_slot(nil)
if redis.call('EXISTS', R .. 'overdue-turn-in') == 1 and redis.call('DECR', R .. 'overdue-turn-in') <= 0 then
  redis.call('DEL', R .. 'overdue-turn-in')
end
local batch = text(redis.call('INCR', P .. 'batch-sequence'))
for _, part in ipairs(parts) do
  held[#held + 1] = part[1]
  held[#held + 1] = part[3] .. '@' .. batch
end
each_intent_of(parts, function(number) add_to(number, 'snt', 1) end)
observe('fill', #parts, 1)
count('held', #parts)
redis.call('HSET', P .. 'cells', unpack(held))
redis.call('HSET', P .. 'batch:' .. batch, 'g', group, 'parts', pack_parts(parts), 'idem', ARGV[5], 'token', ARGV[6],
  'kind', 'new', 'first', text(NOW), 'at', text(NOW), 'tries', '1', 'size', text(#parts))
redis.call('ZREM', R .. 'since', group)
write_collected()
return hand_out(batch, parts, are_dead)
