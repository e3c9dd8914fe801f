-- Take one item's changes for a single update: one that must be sent again, else the best small group's, and with it the item's
-- other ready changes of small groups. Several may be in flight; they share a lease that their process extends.
-- KEYS  1 lane prefix
-- ARGV  1 owner of the lease  2 longest wait of a group (ms)  3 idempotency UUID for a new send  4 fingerprint of the token
--       5 for how long the cells of a lost request stay closed (ms)  6 fields of one request at most
-- Returns {'paused'} | {'off'} | {'held'}: the owner has no lease | {'again'}: groups are still being ranked, or many cannot be sent now and were put off
--       | {'idle', ms until the next change may be sent, or -1, canceled or expired intents must be ended (0|1), changes wait for a look (0|1)}
--       | {'single', JSON of the update (_described.lua), intents must be ended (0|1), changes wait for a look (0|1)}
-- Invariants: an item has one single update in flight; a canceled or expired change is not sent; the batch is recorded before its first byte;
--             where an item is on one route at a time, none of its cells is in a batch.
-- USES  figures outcomes requests cells batches groups resort ending leaving described lost later
local MOST_QUIET = 100 -- groups
local MOST_LOOKS = 150 -- changes and columns that one step may read, roughly
local BUSY_FOR, BLOCKED_FOR = 100, 1000 -- ms until an item may be free of its single update, and of a batch
if redis.call('EXISTS', P .. 'pause') == 1 then return {'paused'} end
local held_for = held_back()
if held_for then return {'idle', math.min(held_for, BUSY_FOR), 0, 0} end

give_up_lost_ones()
if singles().rate == 0 then return {'off'} end
if tonumber(redis.call('HGET', S .. 'owners', ARGV[1]) or 0) <= NOW then return {'held'} end
wake_later()
if sort_again() or admit_quiet_ones(MOST_QUIET) then return {'again'} end

local are_dead, looks = some_are_dead(), 0

local function is_busy(item) return redis.call('HEXISTS', S .. 'items', item) == 1 end

local function hand_out(batch, parts)
  local fence = redis.call('INCR', P .. 'fence')
  redis.call('HSET', S .. 'flight', batch, ARGV[1])
  redis.call('HSET', S .. 'items', parts[1][2], batch)
  redis.call('ZREM', S .. 'due', batch)
  redis.call('HSET', P .. 'batch:' .. batch, 'state', 'sending', 'sent', text(NOW), 'fence', text(fence), 'grace', ARGV[5])
  note_blocked(P .. 'batch:' .. batch, parts)
  return {'single', cjson.encode(described(batch, parts)), are_dead and 1 or 0, began_to_await and 1 or 0}
end

local function again(batch, parts)
  local record = P .. 'batch:' .. batch
  redis.call('HSET', record, 'kind', 'resend', 'idem', ARGV[3], 'token', ARGV[4], 'first', text(NOW))
  redis.call('HINCRBY', record, 'tries', 1)
  redis.call('HDEL', record, 'looked', 'stray')
  return hand_out(batch, parts)
end

local columns_in = {} -- space → its columns
local function columns_of(group)
  local space = redis.call('HGET', P .. 'group:' .. group, 'space')
  if not columns_in[space] then
    local columns = redis.call('SMEMBERS', P .. 'columns-of:' .. space)
    table.sort(columns, function(one, other) return tonumber(one) < tonumber(other) end)
    columns_in[space] = columns
  end
  return columns_in[space]
end

-- The item's cells in the space of the group, and what is known of each. Its cells may be in batches of any type, field and user.
local function cells_at(item, group)
  local cells = {}
  for i, column in ipairs(columns_of(group)) do cells[i] = column .. ':' .. item end
  looks = looks + 1 + math.floor(#cells / 10)
  return cells, #cells > 0 and redis.call('HMGET', P .. 'cells', unpack(cells)) or {}
end

local function is_in_a_batch(owner)
  local batch = string.match(owner, '@(%d+)$')
  return batch and batch ~= '0' and not is_single(batch)
end

local function must_wait(batch, item)
  local holder = redis.call('HGET', S .. 'items', item)
  if holder and holder ~= batch then return true end
  if not singles().alone then return false end
  local _, owners = cells_at(item, redis.call('HGET', P .. 'batch:' .. batch, 'g'))
  for _, owner in ipairs(owners) do
    if owner and is_in_a_batch(owner) then return true end
  end
  return false
end

local due = redis.call('ZRANGE', S .. 'due', '-inf', text(NOW), 'BYSCORE', 'LIMIT', 0, 20)
for _, batch in ipairs(due) do
  local parts = parts_of(redis.call('HGET', P .. 'batch:' .. batch, 'parts'))
  if not must_wait(batch, parts[1][2]) then return again(batch, parts) end
  redis.call('ZADD', S .. 'due', text(NOW + BUSY_FOR), batch) -- so that it does not hide others
end

-- Whether the owner's change may travel with others of its item.
local function may_join(owner, item, place)
  local group = redis.call('HGET', P .. 'intent:' .. owner, 'g')
  return redis.call('ZSCORE', S .. 'since', group) and place_of(group) == place
    and redis.call('ZSCORE', P .. 'ready:' .. group, item) and not fate(owner) and group
end

-- The parts of one request, or nil while a cell of the item is in a batch that must not meet it.
local function with_neighbours(group, item)
  local cells, owners = cells_at(item, group)
  local parts, groups = {}, {}
  for i, cell in ipairs(cells) do
    local owner = owners[i]
    if owner and string.find(owner, '@', 1, true) then
      if singles().alone and is_in_a_batch(owner) then return nil end
    elseif owner then
      local own = may_join(owner, item, place_of(group))
      if own and (own == group or #parts < tonumber(ARGV[6]) - 1) then
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

local OVERDUE_SEEN = 20 -- groups, of which some may be put off
-- The oldest group that has waited too long, at every fourth request.
local function overdue()
  if redis.call('HINCRBY', S .. 'state', 'turn', 1) % 4 ~= 0 then return nil end
  for _, group in ipairs(redis.call('ZRANGE', S .. 'since', '-inf', text(NOW - tonumber(ARGV[2])), 'BYSCORE', 'LIMIT', 0, OVERDUE_SEEN)) do
    if redis.call('ZSCORE', S .. 'small', group) then return group end
  end
end

local URGENT, PATIENCE = 5, 2000 -- priority; ms
-- A save does not wait until the batches of a sync have left its item: from here on it goes by batches, which may meet each other.
local function goes_by_batches(group)
  local best = redis.call('ZRANGE', P .. 'ready:' .. group, 0, 0, 'WITHSCORES')[2]
  if not best or math.floor(best / STEP) > 9 - URGENT then return false end
  if tonumber(redis.call('ZSCORE', S .. 'since', group) or NOW) > NOW - PATIENCE then return false end
  redis.call('HSET', P .. 'group:' .. group, 'bar', text(NOW + 5 * PATIENCE))
  rank_group(group)
  return true
end

-- Nothing of the group can be sent now: it must not hide the groups behind it.
local function put_off(group, ms)
  if ms == BLOCKED_FOR and goes_by_batches(group) then return end
  redis.call('ZREM', S .. 'small', group)
  redis.call('ZADD', S .. 'fresh', text(NOW + ms), group)
end

-- The parts of a request with the group's best change that can be sent; or nil, and in how many ms to look again.
local function best_of(group)
  local ready, again_in = redis.call('ZRANGE', P .. 'ready:' .. group, 0, -1, 'WITHSCORES'), BLOCKED_FOR
  for i = 1, #ready, 2 do
    local item, number = ready[i], text(tonumber(ready[i + 1]) % STEP)
    looks = looks + 1
    if is_busy(item) then
      again_in = BUSY_FOR
    elseif not fate(number) then
      local parts, groups = with_neighbours(group, item)
      if parts then return parts, groups end
    end
  end
  return nil, again_in
end

local function compose()
  local group = overdue()
  while looks < MOST_LOOKS do
    group = group or redis.call('ZRANGE', S .. 'small', 0, 0)[1]
    if not group then return nil end
    local parts, rest = best_of(group)
    if parts then return parts, rest end
    put_off(group, rest)
    group = nil
  end
end

local parts, groups = compose()
if not parts then
  if looks >= MOST_LOOKS then return {'again'} end
  local at = math.huge
  for _, list in ipairs({S .. 'fresh', S .. 'due', P .. 'later'}) do
    at = math.min(at, tonumber(redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')[2] or at))
  end
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
redis.call('HSET', P .. 'batch:' .. batch, 'rt', SINGLE, 'pl', place_of(groups[1]), 'g', groups[1], 'parts', pack_parts(parts),
  'idem', ARGV[3], 'token', ARGV[4], 'kind', 'new', 'first', text(NOW), 'at', text(NOW), 'tries', '1', 'size', text(#parts))
write_collected()
return hand_out(batch, parts)
