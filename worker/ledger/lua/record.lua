-- Record one intent, or the next chunk of its items, in the lane: each change becomes the owner of its cell (ready), is shared
-- with an identical pending change, takes the place of a pending UPDATE that it overwrites, or waits behind.
-- KEYS  1 lane prefix
-- ARGV  1 number  2 intent id  3 group digest  4 group spec (JSON)  5 column name  6 mode  7 priority  8 enqueued at (ms)
--       9 expires at (ms) or ''  10 '1' = keep every change, or ''  11 note or ''  12 total of items  13 all items, comma-separated
--       (first chunk; may be '' later)  14 how many items were recorded before this chunk  15… the chunk's items
-- Returns {how many items are recorded now, ready groups touched (0|1), intents ended}
-- Invariants: a cell has at most one owner; behind it the changes stand in the order of their numbers; a chunk is recorded once.
local number, keep, mode = ARGV[1], ARGV[10] == '1', ARGV[6]
local record = P .. 'intent:' .. number
local total, offset = tonumber(ARGV[12]), tonumber(ARGV[14])

local function new_group()
  local group = redis.call('HGET', P .. 'groups', ARGV[3])
  if group then return group end
  local column = redis.call('HGET', P .. 'columns', ARGV[5])
  if not column then
    column = text(redis.call('HLEN', P .. 'columns') + 1)
    redis.call('HSET', P .. 'columns', ARGV[5], column)
  end
  group = text(redis.call('INCR', P .. 'group-sequence'))
  redis.call('HSET', P .. 'groups', ARGV[3], group)
  redis.call('HSET', P .. 'group:' .. group, 'spec', ARGV[4], 'col', column, 'mode', mode, 'digest', ARGV[3])
  return group
end

local function new_record()
  local group = new_group()
  redis.call('HINCRBY', P .. 'group:' .. group, 'refs', 1)
  local fields = {'id', ARGV[2], 'g', group, 't', ARGV[8], 'tot', ARGV[12], 'opn', ARGV[12], 'it', ARGV[13]}
  local function set(field, value) fields[#fields + 1] = field; fields[#fields + 1] = value end
  if ARGV[7] ~= '5' then set('p', ARGV[7]) end
  if keep then set('k', '1') end
  if ARGV[11] ~= '' then set('nt', ARGV[11]) end
  if ARGV[9] ~= '' then
    set('x', ARGV[9])
    redis.call('ZADD', P .. 'expiring', ARGV[9], number)
  end
  redis.call('HSET', record, unpack(fields))
  return group
end

local known = redis.call('HMGET', record, 'g', 'nx', 'tot', 'stop')
local group, stop = known[1], known[4]
if known[3] then
  local recorded = tonumber(known[2] or known[3])
  if recorded ~= offset or recorded >= total then return {recorded, 0, 0} end
else
  if offset ~= 0 then return {0, 0, 0} end
  group = new_record()
end
local column = redis.call('HGET', P .. 'group:' .. group, 'col')
local rank = rank_of(number, ARGV[7])

-- What the newest pending change of an owned cell means for ours: nil, or its number, group, and whether it stands behind.
local function pending_tail(cell, owner)
  local tail = redis.call('LINDEX', P .. 'behind:' .. cell, -1)
  local number_of = tail or (not string.find(owner, '@', 1, true) and owner)
  if not number_of then return nil end
  local intent = redis.call('HMGET', P .. 'intent:' .. number_of, 'g', 'k')
  return number_of, intent[1], tail and true or false, intent[2] and true or false
end

local function share(cell, item, older, is_behind)
  local name = older .. ':' .. cell
  local sharers = redis.call('HGET', P .. 'shared', name)
  redis.call('HSET', P .. 'shared', name, sharers and (sharers .. ',' .. number) or number)
  if not is_behind then
    redis.call('ZADD', P .. 'ready:' .. group, 'LT', rank_of(older, ARGV[7]), item)
    touched[group] = true
  end
end

local function supersede(cell, item, older, older_group, is_behind)
  conclude(older, cell, item, 's', '')
  if is_behind then return redis.call('LSET', P .. 'behind:' .. cell, -1, number) end
  redis.call('ZREM', P .. 'ready:' .. older_group, item)
  touched[older_group] = true
  redis.call('HSET', P .. 'cells', cell, number)
  redis.call('ZADD', P .. 'ready:' .. group, rank, item)
  touched[group] = true
end

local function wait_behind(cell, owner)
  redis.call('RPUSH', P .. 'behind:' .. cell, number)
  local batch = string.match(owner, '@(%d+)')
  if batch then redis.call('HINCRBY', P .. 'batch:' .. batch, 'blocks', 1) end
end

local mode_of = {[group] = mode}
local function droppable(older_group)
  if not mode_of[older_group] then mode_of[older_group] = redis.call('HGET', P .. 'group:' .. older_group, 'mode') end
  return mode_of[older_group] == 'UPDATE'
end

local function meet(cell, item, owner)
  local older, older_group, is_behind, older_keeps = pending_tail(cell, owner)
  if older and not keep and not older_keeps then
    if older_group == group then return share(cell, item, older, is_behind) end
    if mode == 'UPDATE' and droppable(older_group) then return supersede(cell, item, older, older_group, is_behind) end
  end
  wait_behind(cell, owner)
end

local cells, owners = {}, {}
for i = 15, #ARGV do cells[#cells + 1] = column .. ':' .. ARGV[i] end
if #cells > 0 then owners = redis.call('HMGET', P .. 'cells', unpack(cells)) end
local owned, ready = {}, {}
for i, cell in ipairs(cells) do
  local item = ARGV[14 + i]
  if stop then
    note(number, item, stop, '')
  elseif owners[i] then
    meet(cell, item, owners[i])
  else
    owned[#owned + 1] = cell
    owned[#owned + 1] = number
    ready[#ready + 1] = rank
    ready[#ready + 1] = item
  end
end
if #owned > 0 then
  redis.call('HSET', P .. 'cells', unpack(owned))
  redis.call('ZADD', P .. 'ready:' .. group, unpack(ready))
  touched[group] = true
end

local recorded = offset + #cells
if recorded < total then redis.call('HSET', record, 'nx', text(recorded)) else redis.call('HDEL', record, 'nx') end
local any = next(touched) and 1 or 0
return {recorded, any, write_collected()}
