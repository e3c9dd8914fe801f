-- Take one item's changes for a single update: one that must be sent again, else the best small group's, and with it the item's
-- other ready changes of small groups. Several may be in flight; they share a lease that their process extends.
-- KEYS  1 lane prefix
-- ARGV  1 owner of the lease  2 lease (ms)  3 longest wait of a group (ms)  4 idempotency UUID for a new send  5 fingerprint of the token
--       6 for how long the cells of a lost request stay closed (ms)  7 fields of one request at most
-- Returns {'paused'} | {'off'} | {'again'}: groups are still being ranked
--       | {'idle', ms until the next change may be sent, or -1, canceled or expired intents must be ended (0|1), changes wait for a look (0|1)}
--       | {'single', JSON of the update (_described.lua), intents must be ended (0|1), changes wait for a look (0|1)}
-- Invariants: an item has one single update in flight; a canceled or expired change is not sent; the batch is recorded before its first byte.
-- USES  figures outcomes requests cells batches groups resort ending leaving dissolving described
local MOST_QUIET, MOST_LOOKS, BUSY_FOR, LOST_AT_ONCE = 300, 300, 100, 50
if redis.call('EXISTS', P .. 'pause') == 1 then return {'paused'} end
local held_for, meant = redis.call('PTTL', P .. 'hold'), redis.call('GET', P .. 'hold')
if held_for > 0 and held_for <= tonumber(meant) then return {'idle', math.min(held_for, BUSY_FOR), 0, 0} end

-- Requests of processes that have ended: whether they were executed is unknown.
local function give_up_lost_ones()
  local flight = redis.call('HGETALL', S .. 'flight')
  for i = 1, math.min(#flight, 2 * LOST_AT_ONCE), 2 do
    local batch, owner = flight[i], flight[i + 1]
    if tonumber(redis.call('HGET', S .. 'owners', owner) or 0) <= NOW then
      local record = P .. 'batch:' .. batch
      local kept = redis.call('HMGET', record, 'state', 'parts')
      redis.call('HDEL', S .. 'flight', batch)
      if kept[1] == 'sending' then
        redis.call('HSET', record, 'stray', '1', 'maybe', '1', 'looks', '0', 'entered', text(NOW), 'why', 'the worker ended while sending it')
        place(batch, 'check', NOW + tonumber(ARGV[6]))
        count_request(parts_of(kept[2]))
        count('unk', 1)
      end
    end
  end
  write_figures()
end
give_up_lost_ones()
if singles().rate == 0 then return {'off'} end
if sort_again() or admit_quiet_ones(MOST_QUIET) then return {'again'} end

local are_dead, looks = some_are_dead(), 0

local function is_busy(item) return redis.call('HEXISTS', S .. 'items', item) == 1 end

local function hand_out(batch, parts)
  local fence = redis.call('INCR', P .. 'fence')
  redis.call('HSET', S .. 'owners', ARGV[1], text(NOW + tonumber(ARGV[2])))
  redis.call('HSET', S .. 'flight', batch, ARGV[1])
  redis.call('HSET', S .. 'items', parts[1][2], batch)
  redis.call('ZREM', S .. 'due', batch)
  redis.call('HSET', P .. 'batch:' .. batch, 'state', 'sending', 'sent', text(NOW), 'fence', text(fence))
  note_blocked(P .. 'batch:' .. batch, parts)
  return {'single', cjson.encode(described(batch, parts)), are_dead and 1 or 0, began_to_await and 1 or 0}
end

local function again(batch, parts)
  local record = P .. 'batch:' .. batch
  redis.call('HSET', record, 'kind', 'resend', 'idem', ARGV[4], 'token', ARGV[5], 'first', text(NOW))
  redis.call('HINCRBY', record, 'tries', 1)
  redis.call('HDEL', record, 'looked')
  return hand_out(batch, parts)
end

local due = redis.call('ZRANGE', S .. 'due', '-inf', text(NOW), 'BYSCORE', 'LIMIT', 0, 20)
for _, batch in ipairs(due) do
  local parts = parts_of(redis.call('HGET', P .. 'batch:' .. batch, 'parts'))
  local holder = redis.call('HGET', S .. 'items', parts[1][2])
  if not holder or holder == batch then return again(batch, parts) end
end

-- The state of each cell of the item that a change of this place may have.
local function cells_of(place, item)
  local columns, cells = redis.call('SMEMBERS', P .. 'columns-of:' .. place), {}
  table.sort(columns, function(one, other) return tonumber(one) < tonumber(other) end)
  for i, column in ipairs(columns) do cells[i] = column .. ':' .. item end
  return cells, #cells > 0 and redis.call('HMGET', P .. 'cells', unpack(cells)) or {}
end

-- Whether the owner's change may travel with others of its item.
local function may_join(owner, item, place)
  local group = redis.call('HGET', P .. 'intent:' .. owner, 'g')
  return redis.call('ZSCORE', S .. 'since', group) and place_of(group) == place
    and redis.call('ZSCORE', P .. 'ready:' .. group, item) and not fate(owner) and group
end

-- The parts of one request, or nil while a cell of the item is in a batch that must not meet it.
local function with_neighbours(group, item)
  local cells, owners = cells_of(place_of(group), item)
  local parts, groups = {}, {}
  for i, cell in ipairs(cells) do
    local owner = owners[i]
    if owner and string.find(owner, '@', 1, true) then
      if singles().alone and not string.find(owner, '@0$') then return nil end
    elseif owner then
      local own = may_join(owner, item, place_of(group))
      if own and (own == group or #parts < tonumber(ARGV[7]) - 1) then
        parts[#parts + 1] = {cell, item, owner}
        groups[#groups + 1] = own
      end
    end
  end
  return parts, groups
end

local function take(parts, groups)
  for i, part in ipairs(parts) do
    drop_dead_sharers(part[3], part[1], part[2])
    redis.call('ZREM', P .. 'ready:' .. groups[i], part[2])
    redis.call('ZREM', S .. 'since', groups[i])
    touched[groups[i]] = true
  end
end

-- The oldest group that has waited too long, at every fourth request.
local function overdue()
  if redis.call('HINCRBY', S .. 'state', 'turn', 1) % 4 ~= 0 then return nil end
  local first = redis.call('ZRANGE', S .. 'since', '-inf', text(NOW - tonumber(ARGV[3])), 'BYSCORE', 'LIMIT', 0, 1)[1]
  return first and redis.call('ZSCORE', S .. 'small', first) and first
end

local passed = '-inf'
local function next_group()
  local found = redis.call('ZRANGE', S .. 'small', passed, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  if found[2] then passed = '(' .. found[2] end
  return found[1]
end

local function compose()
  local group = overdue() or next_group()
  while group and looks < MOST_LOOKS do
    local ready = redis.call('ZRANGE', P .. 'ready:' .. group, 0, -1, 'WITHSCORES')
    for i = 1, #ready, 2 do
      local item, number = ready[i], text(tonumber(ready[i + 1]) % STEP)
      looks = looks + 1
      if not is_busy(item) and not fate(number) then
        local parts, groups = with_neighbours(group, item)
        if parts and #parts > 0 then return parts, groups end
      end
    end
    group = next_group()
  end
end

local parts, groups = compose()
if not parts then
  local first = redis.call('ZRANGE', S .. 'fresh', 0, 0, 'WITHSCORES')[2] or math.huge
  local next_due = redis.call('ZRANGE', S .. 'due', 0, 0, 'WITHSCORES')[2] or math.huge
  local is_left = redis.call('EXISTS', S .. 'small') == 1
  local at = math.min(tonumber(first), tonumber(next_due), is_left and NOW + BUSY_FOR or math.huge)
  return {'idle', at < math.huge and math.max(0, at - NOW) or -1, are_dead and 1 or 0, began_to_await and 1 or 0}
end
take(parts, groups)
local batch, held = text(redis.call('INCR', P .. 'batch-sequence')), {}
for _, part in ipairs(parts) do
  held[#held + 1] = part[1]
  held[#held + 1] = part[3] .. '@' .. batch
end
each_intent_of(parts, function(number) add_to(number, 'snt', 1) end)
count('held', #parts)
count('singles', 1)
count('single_changes', #parts)
redis.call('HSET', P .. 'cells', unpack(held))
redis.call('HSET', P .. 'batch:' .. batch, 'rt', 'single', 'pl', place_of(groups[1]), 'g', groups[1], 'parts', pack_parts(parts),
  'idem', ARGV[4], 'token', ARGV[5], 'kind', 'new', 'first', text(NOW), 'at', text(NOW), 'tries', '1', 'size', text(#parts))
write_collected()
return hand_out(batch, parts)
