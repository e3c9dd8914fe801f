-- Take the lane's lease and a batch to send: one that must be sent (again), else a new one composed now from a group's ready changes.
-- The batch is written down here, before its first byte leaves.
-- KEYS  1 lane prefix
-- ARGV  1 owner of the lease  2 lease (ms)  3 bound on unfinished batches  4 longest wait of a group (ms)
--       5 idempotency UUID for a fresh send  6 fingerprint of the token  7 a slot (ms)
-- Returns {'paused', reason} | {'held', ms until the lease ends} | {'full'}
--       | {'idle', ms until a batch is due again, or -1}
--       | {'again'}: what was ready of the group was all canceled or expired, and is out of the way
--       | {'batch', batch, spec, more work is ready (0|1), canceled or expired intents are to be ended (0|1), field, value, …}
-- Invariants: one lease, so one batch is being sent; a batch holds changes of one group, each the owner of its cell;
--             what was canceled, or has expired, before it is claimed is not sent.
local LOOK_AGAIN = 250 -- ms
local reason = redis.call('GET', P .. 'pause')
if reason then return {'paused', reason} end
-- While a long list of intents is being marked as canceled. More left than was meant: the server's clock was set back.
local held_for, meant = redis.call('PTTL', P .. 'hold'), redis.call('GET', P .. 'hold')
if held_for > 0 and held_for <= tonumber(meant) then return {'idle', math.min(held_for, LOOK_AGAIN)} end

local lease = redis.call('HMGET', P .. 'lease', 'owner', 'until', 'batch')
if lease[1] then
  if lease[1] ~= ARGV[1] and tonumber(lease[2]) > NOW then return {'held', tonumber(lease[2]) - NOW} end
  -- Its owner died, or lost track, somewhere between the write-down and the answer: whether it was sent is unknown.
  local left = redis.call('HMGET', P .. 'batch:' .. lease[3], 'state', 'items', 'col', 'kind')
  if left[1] == 'sending' then
    place(lease[3], 'reask', NOW)
    count_request(left[3], items_of(left[2]))
    -- Counted as asked: a batch that kills whoever sends it must not be sent for ever.
    redis.call('HINCRBY', P .. 'batch:' .. lease[3], 'reasks', 1)
    if left[4] ~= 'reask' then count('unk', 1) end
    write_figures()
  end
  redis.call('DEL', P .. 'lease')
end

local function head(zset)
  local entry = redis.call('ZRANGE', P .. zset, 0, 0, 'WITHSCORES')
  return entry[1], tonumber(entry[2])
end

-- Whether changes wait behind this batch's: its poll and read-back go before others' (pick.lua).
local function note_blocked(record, items)
  local column = redis.call('HGET', record, 'col')
  local lines = {}
  for i, pair in ipairs(items) do lines[i] = P .. 'behind:' .. column .. ':' .. pair[1] end
  local blocks = redis.call('EXISTS', unpack(lines))
  if blocks > 0 then redis.call('HSET', record, 'blocks', blocks) else redis.call('HDEL', record, 'blocks') end
end

-- Count the slot, and for how long beyond its length nothing was sent although something could have been. `since`: from when
-- on the batch could have been handed out, or nil: as long as changes are ready and fewer batches unfinished than may be.
local function count_slot(since)
  local kept = redis.call('HMGET', P .. 'metrics', 'handed', 'work', 'full', 'room', 'resumed')
  local ready_since = tonumber(kept[2]) or NOW
  if kept[3] then ready_since = since or math.max(ready_since, tonumber(kept[4]) or 0) end
  local from = math.max(math.min(since or NOW, ready_since), tonumber(kept[1]) or 0, tonumber(kept[5]) or 0)
  count('idle', math.max(0, NOW - from - tonumber(ARGV[7])))
end

local function hand_out(batch, items, are_dead)
  local fence = redis.call('INCR', P .. 'fence')
  redis.call('HSET', P .. 'lease', 'owner', ARGV[1], 'until', text(NOW + tonumber(ARGV[2])), 'batch', batch, 'fence', text(fence))
  redis.call('ZREM', P .. 'due', batch)
  local record = P .. 'batch:' .. batch
  redis.call('HSET', record, 'state', 'sending', 'sent', text(NOW), 'fence', text(fence))
  note_blocked(record, items)
  local spec = redis.call('HGET', P .. 'group:' .. redis.call('HGET', record, 'g'), 'spec')
  local more = (redis.call('EXISTS', P .. 'full', P .. 'part') > 0) and 1 or 0
  redis.call('HDEL', P .. 'metrics', 'full', 'room', 'work')
  redis.call('HSET', P .. 'metrics', 'handed', text(NOW), unpack(more == 1 and {'work', text(NOW)} or {}))
  local answer = {'batch', batch, spec, more, are_dead and 1 or 0, 'now', text(NOW)}
  for _, value in ipairs(redis.call('HGETALL', record)) do answer[#answer + 1] = value end
  return answer
end

local function again(batch)
  local record = P .. 'batch:' .. batch
  local kept = redis.call('HMGET', record, 'state', 'items')
  redis.call('HSET', record, 'kind', kept[1])
  if kept[1] == 'resend' then
    redis.call('HSET', record, 'idem', ARGV[5], 'token', ARGV[6], 'first', text(NOW))
    redis.call('HINCRBY', record, 'tries', 1)
  end
  return hand_out(batch, items_of(kept[2]))
end

local due, due_at = head('due')
if due and due_at <= NOW then
  count_slot(due_at)
  write_figures()
  return again(due)
end
local until_due = due and (due_at - NOW) or -1
local unfinished = redis.call('ZCARD', P .. 'jobs') + redis.call('ZCARD', P .. 'checks') + redis.call('ZCARD', P .. 'due')
if unfinished >= tonumber(ARGV[3]) then
  redis.call('HSET', P .. 'metrics', 'full', '1')
  return {'full'}
end

-- What one request sends of a small group is soon to be sent again, where more of it comes or waits behind others. So under
-- a backlog those who waited too long get few slots, and who waits behind others has to wait much longer (bench/packing.py).
local OVERDUE_TURN = 4 -- at most every so manieth batch
local PATIENCE = 5 -- times the longest wait, for a group that would have to be sent again
local OVERDUE_SEEN = 256 -- groups that are looked at; a whole one that waits behind more of the others waits as long as they

-- The group whose turn it is, which is noted, or nil.
local function overdue_turn()
  local last_turn = redis.call('GET', P .. 'overdue-had-turn')
  local newest = redis.call('GET', P .. 'batch-sequence') or 0
  if last_turn and newest - last_turn < OVERDUE_TURN - 1 then return nil end
  local longest = tonumber(ARGV[4])
  local waiting = redis.call('ZRANGE', P .. 'since', '-inf', text(NOW - longest), 'BYSCORE', 'LIMIT', 0, OVERDUE_SEEN, 'WITHSCORES')
  if #waiting == 0 then return nil end
  local groups = {}
  for i = 1, #waiting, 2 do groups[#groups + 1] = waiting[i] end
  local behind = redis.call('HMGET', P .. 'behind-of', unpack(groups))
  local full = redis.call('ZMSCORE', P .. 'full', unpack(groups))
  for i, group in ipairs(groups) do
    if not behind[i] or full[i] or tonumber(waiting[2 * i]) <= NOW - PATIENCE * longest then
      redis.call('SET', P .. 'overdue-had-turn', text(newest + 1))
      return group
    end
  end
end

-- Full batches first; a group that outranks them by priority, or that waited too long, goes before.
local function choose()
  local full, full_rank = head('full')
  local part, part_rank = head('part')
  if not full and not part then return nil end
  local overdue = overdue_turn()
  if overdue then return overdue end
  if full and (not part or math.floor(full_rank / STEP) <= math.floor(part_rank / STEP)) then return full end
  return part
end

local group = choose()
if not group then return {'idle', until_due} end

local MOST_DEAD = 500 -- changes that one claim meets, so that it does not hold the server for long

-- Those who share a change that is about to be sent, and were canceled or have expired, take no part in it.
local function drop_dead_sharers(number, cell, item)
  for sharer in string.gmatch(redis.call('HGET', P .. 'shared', number .. ':' .. cell) or '', '%d+') do
    if fate(sharer) and leave_share(sharer, cell, number) then note(sharer, item, fate(sharer), '') end
  end
end

-- A dead change is only taken out of the ready ones here: the cell stays its own until end_stopped.lua ends it. Where others
-- share it, or gave way to it, it is ended at once, so that they are not kept waiting.
local function pass_over(number, cell, item)
  if redis.call('HEXISTS', P .. 'shared', number .. ':' .. cell) == 1 or redis.call('EXISTS', under(number, cell)) == 1 then
    leave_owned(number, group, cell, item)
    note(number, item, fate(number), '')
  elseif not is_stopped[number] then
    mark_stopped(number, fate(number))
    is_stopped[number] = true
  end
end

local OVERTAKEN_PLACES = 5 -- of a batch

-- Where more urgent changes of the group fill its batches, those that waited too long for them get a few places: each instead of
-- one that is younger. Taken out of the ready ones; as ZPOPMIN returns them.
local function take_overtaken()
  local ready = P .. 'ready:' .. group
  if redis.call('ZCARD', ready) <= BATCH_ITEMS then return {} end
  local giving = redis.call('ZRANGE', ready, BATCH_ITEMS - OVERTAKEN_PLACES, BATCH_ITEMS - 1, 'WITHSCORES')
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
    redis.call('ZREM', ready, one[1])
    taken[#taken + 1] = one[1]
    taken[#taken + 1] = one[2]
  end
  return taken
end

-- The best changes of the group that live, a batch at most, as a list of {item, number}.
local function take_living(column, are_dead)
  local taken, dead = {}, 0
  local popped = take_overtaken()
  for _, one in ipairs(redis.call('ZPOPMIN', P .. 'ready:' .. group, BATCH_ITEMS - #popped / 2)) do popped[#popped + 1] = one end
  repeat
    for i = 1, #popped, 2 do
      local item, number = popped[i], text(tonumber(popped[i + 1]) % STEP)
      local cell = column .. ':' .. item
      if are_dead and fate(number) then
        pass_over(number, cell, item)
        dead = dead + 1
      else
        if are_dead then drop_dead_sharers(number, cell, item) end
        taken[#taken + 1] = {item, number}
      end
    end
    if not are_dead or #popped == 0 or #taken == BATCH_ITEMS or dead >= MOST_DEAD then return taken end
    popped = redis.call('ZPOPMIN', P .. 'ready:' .. group, BATCH_ITEMS - #taken)
  until false
end

local column = redis.call('HGET', P .. 'group:' .. group, 'col')
local are_dead = some_are_dead()
local items, held = take_living(column, are_dead), {}
touched[group] = true
if #items == 0 then
  write_collected()
  return {'again'}
end

count_slot(nil)
local batch = text(redis.call('INCR', P .. 'batch-sequence'))
for _, pair in ipairs(items) do
  held[#held + 1] = column .. ':' .. pair[1]
  held[#held + 1] = pair[2] .. '@' .. batch
end
each_wish(column, items, function(number) add_to(number, 'snt', 1) end)
observe('fill', #items, 1)
count('held', #items)
redis.call('HSET', P .. 'cells', unpack(held))
redis.call('HSET', P .. 'batch:' .. batch, 'g', group, 'col', column, 'items', pack_items(items), 'idem', ARGV[5], 'token', ARGV[6],
  'kind', 'new', 'first', text(NOW), 'at', text(NOW), 'tries', '1', 'size', text(#items))
redis.call('ZREM', P .. 'since', group)
write_collected()
return hand_out(batch, items, are_dead)
