-- Record intents, or chunks of large ones, in the lane, in their order: each change becomes the owner of its cell (ready), is
-- merged with an identical pending change, replaces a pending UPDATE that it overwrites, or waits behind.
-- KEYS  1 lane prefix
-- ARGV  1 JSON: {"after": number that must have been recorded before, or "", "groups": [[digest, spec, column name, mode, place name, single], …],
--                "intents": [[number, intent id, index of its group from 1, priority, enqueued at (ms), expires at (ms) or "",
--                             keep every change (bool), note or "", total of items, all items, comma-separated ("" after the
--                             first chunk), items recorded before this chunk, the chunk's items, comma-separated, trace or "",
--                             canceled before this (bool): it ends as canceled, without affecting other changes,
--                             number of its change set or "", the set's id or "", producer or "", look or ""], …]}
--         All numbers except the index are strings: a double cannot hold an id. `single`: may a single update write it? '', 'p' yes, 'v' yes,
--         and the answer is verified by a read-back.
-- Returns {ready groups touched (0|1), intents ended, changes wait for a look (0|1)}
-- Invariants: a cell has at most one owner; behind it the changes are in the order of their numbers; a chunk is recorded once.
-- USES  figures outcomes cells intents sets ending item_log
local given = cjson.decode(ARGV[1])

-- A pipeline continues when one of its calls fails: nothing may be recorded after the gap of a failed one.
local function follows_a_gap()
  local first = given.intents[1]
  if given.after ~= '' then
    local before = redis.call('HMGET', P .. 'intent:' .. given.after, 'tot', 'nx')
    if not before[1] or (before[2] and first[1] ~= given.after) then return true end
  end
  if first[11] == '0' then return false end
  local known = redis.call('HMGET', P .. 'intent:' .. first[1], 'tot', 'nx')
  return not known[1] or (known[2] and tonumber(known[2]) < tonumber(first[11]))
end
if follows_a_gap() then return redis.error_reply('ORDER the call before this one failed') end

local groups, mode_of = {}, {}

local function new_group(digest, spec, column_name, mode, place_name)
  local column = redis.call('HGET', P .. 'columns', column_name)
  if not column then
    column = text(redis.call('HLEN', P .. 'columns') + 1)
    redis.call('HSET', P .. 'columns', column_name, column)
  end
  local group = text(redis.call('INCR', P .. 'group-sequence'))
  redis.call('HSET', P .. 'groups', digest, group)
  local place = redis.call('HGET', P .. 'places', place_name)
  if not place then
    place = text(redis.call('HLEN', P .. 'places') + 1)
    redis.call('HSET', P .. 'places', place_name, place)
  end
  local space = string.match(column_name, '^%S+')
  redis.call('HSET', P .. 'group:' .. group, 'spec', spec, 'col', column, 'mode', mode, 'digest', digest, 'pl', place, 'space', space)
  redis.call('SADD', P .. 'columns-of:' .. space, column)
  return group, column
end

local function set_single(group, single)
  if single == '' then return redis.call('HDEL', P .. 'group:' .. group, 'one') end
  redis.call('HSET', P .. 'group:' .. group, 'one', single)
end

-- {number, column, mode} of the group at this index of the argument; created if it does not exist.
local function group_at(index)
  if groups[index] then return groups[index] end
  local digest, spec, column_name, mode, place_name, single = unpack(given.groups[index])
  local number = redis.call('HGET', P .. 'groups', digest)
  local column
  if number then
    local kept = redis.call('HMGET', P .. 'group:' .. number, 'col', 'one')
    column = kept[1]
    if (kept[2] or '') ~= single then -- the type of its field has changed
      set_single(number, single)
      touched[number] = true
    end
  else
    number, column = new_group(digest, spec, column_name, mode, place_name)
    set_single(number, single)
  end
  groups[index] = {number = number, column = column, mode = mode}
  mode_of[number] = mode
  return groups[index]
end

local function droppable(group)
  if not mode_of[group] then mode_of[group] = redis.call('HGET', P .. 'group:' .. group, 'mode') end
  return mode_of[group] == 'UPDATE'
end

-- The first group of a partly recorded intent: its names may resolve to another group by now.
local function group_begun(number)
  local column, mode = unpack(redis.call('HMGET', P .. 'group:' .. number, 'col', 'mode'))
  return {number = number, column = column, mode = mode}
end

local function read(row, group)
  return {
    number = row[1], id = row[2], group = group.number, column = group.column, mode = group.mode, priority = row[4],
    enqueued_at = row[5], expires_at = row[6], keep = row[7], note = row[8], total = row[9], all_items = row[10],
    offset = row[11], items = row[12], trace = row[13], set = row[15], set_name = row[16], producer = row[17],
    look = row[18] ~= '' and row[18] or nil, rank = rank_of(row[1], row[4]), record = P .. 'intent:' .. row[1],
  }
end

local function new_record(intent, stop)
  redis.call('ZADD', P .. 'open-intents', intent.enqueued_at, intent.number)
  count('opn', tonumber(intent.total))
  count('rec', tonumber(intent.total))
  redis.call('HINCRBY', P .. 'group:' .. intent.group, 'refs', 1)
  local fields = {'id', intent.id, 'g', intent.group, 't', intent.enqueued_at, 'tot', intent.total, 'opn', intent.total,
    'it', intent.all_items}
  local function set(field, value) fields[#fields + 1] = field; fields[#fields + 1] = value end
  if intent.priority ~= '5' then set('p', intent.priority) end
  if intent.keep then set('k', '1') end
  if intent.note ~= '' then set('nt', intent.note) end
  if intent.trace ~= '' then set('tc', intent.trace) end
  if intent.producer ~= '' then set('by', intent.producer) end
  if intent.look then set('lk', intent.look) end
  if intent.set ~= '' then
    set('cs', intent.set)
    name_set(intent.set, intent.set_name)
  end
  if stop then set('stop', stop) end
  if intent.expires_at ~= '' then
    set('x', intent.expires_at)
    if not stop then redis.call('ZADD', P .. 'expiring', intent.expires_at, intent.number) end
  end
  redis.call('HSET', intent.record, unpack(fields))
  note_items(intent.number, intent.all_items, intent.total)
end

-- The intent of this row, and the outcome letter if it had already ended; nil if this chunk must not be recorded now.
local function begin(row)
  local known = redis.call('HMGET', P .. 'intent:' .. row[1], 'nx', 'tot', 'stop', 'g')
  if known[2] then
    if known[1] ~= row[11] then return nil end
    return read(row, group_begun(known[4])), known[3]
  end
  if row[11] ~= '0' then return nil end
  local is_late = row[6] ~= '' and tonumber(row[6]) <= WALL -- expired before it arrived: it replaces nothing
  local intent, stop = read(row, group_at(row[3])), row[14] and CANCELED or is_late and EXPIRED or nil
  new_record(intent, stop)
  return intent, stop
end

-- The newest pending change of an owned cell, with which ours may be merged: nil, or its number, group, whether it
-- waits behind, whether it is kept, and its priority.
local function pending_tail(cell, owner)
  local tail = redis.call('LINDEX', P .. 'behind:' .. cell, -1)
  local number = tail or (not string.find(owner, '@', 1, true) and owner)
  if not number then return nil end
  local older = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'k', 'p')
  return number, older[1], tail and true or false, older[2] and true or false, tonumber(older[3] or 5)
end

-- The earlier changes in the line, and the owner if it is not in a batch, get at least this `priority`.
local function hurry(number, cell, item, owner, priority)
  local urgent = urgent_ones(cell)
  while urgent[1] and urgent[#urgent][2] <= priority do table.remove(urgent) end
  urgent[#urgent + 1] = {tonumber(number), priority}
  set_urgent_ones(cell, urgent)
  if string.find(owner, '@', 1, true) then return end
  local kept = redis.call('HMGET', P .. 'intent:' .. owner, 'g', 'lk')
  redis.call('ZADD', P .. 'ready:' .. kept[1], 'XX', 'LT', rank_of(owner, priority), item)
  if kept[2] then hurry_look(kept[1], item, rank_of(owner, priority)) end
  touched[kept[1]] = true
end

local function share(intent, cell, item, older, is_behind)
  local name = older .. ':' .. cell
  local sharers = redis.call('HGET', P .. 'shared', name)
  redis.call('HSET', P .. 'shared', name, sharers and (sharers .. ',' .. intent.number) or intent.number)
  if is_behind then return end
  redis.call('ZADD', P .. 'ready:' .. intent.group, 'XX', 'LT', rank_of(older, intent.priority), item)
  hurry_look(intent.group, item, rank_of(older, intent.priority))
  touched[intent.group] = true
end

local function supersede(intent, cell, item, older, older_group, is_behind, older_priority)
  -- The older change waits for the outcome of ours: if ours ends unsent, the older one becomes pending again.
  local below = under(intent.number, cell)
  if redis.call('EXISTS', under(older, cell)) == 1 then redis.call('RENAME', under(older, cell), below) end
  redis.call('ZADD', below, older, older)
  local owner = is_behind and redis.call('HGET', P .. 'cells', cell)
  local priority = math.max(tonumber(intent.priority), urgency(older, cell, older_priority))
  if is_behind then
    if priority > math.min(tonumber(intent.priority), older_priority) then hurry(intent.number, cell, item, owner, priority) end
    step_back(older_group, -1)
    step_back(intent.group, 1)
    return redis.call('LSET', P .. 'behind:' .. cell, -1, intent.number)
  end
  inherit_quiet(older_group, intent.group)
  redis.call('ZREM', P .. 'ready:' .. older_group, item)
  touched[older_group] = true
  await_nothing(older, older_group, cell, item)
  redis.call('HSET', P .. 'cells', cell, intent.number)
  admit(intent.group, intent.look, cell, item, rank_of(intent.number, priority))
  if priority > tonumber(intent.priority) then hurry(intent.number, cell, item, intent.number, priority) end
end

local function wait_behind(intent, cell, owner)
  redis.call('RPUSH', P .. 'behind:' .. cell, intent.number)
  step_back(intent.group, 1)
  local batch = string.match(owner, '@(%d+)')
  if batch and batch ~= '0' then redis.call('HINCRBY', P .. 'batch:' .. batch, 'blocks', 1) end
end

local function has_room(older, cell)
  local sharers = redis.call('HGET', P .. 'shared', older .. ':' .. cell)
  if not sharers then return true end
  local _, commas = string.gsub(sharers, ',', '')
  return commas + 1 < MOST_SHARERS
end

local function meet(intent, cell, item, owner)
  local older, older_group, is_behind, older_keeps, older_priority = pending_tail(cell, owner)
  local is_more_urgent = older and tonumber(intent.priority) > older_priority
  if older and not intent.keep and not older_keeps then
    if older_group == intent.group then
      if has_room(older, cell) then
        if is_more_urgent and is_behind then hurry(intent.number, cell, item, owner, tonumber(intent.priority)) end
        return share(intent, cell, item, older, is_behind)
      end
      if is_more_urgent then hurry(intent.number, cell, item, owner, tonumber(intent.priority)) end
      return wait_behind(intent, cell, owner)
    end
    if intent.mode == 'UPDATE' and droppable(older_group) then
      return supersede(intent, cell, item, older, older_group, is_behind, older_priority)
    end
  end
  if is_more_urgent then hurry(intent.number, cell, item, owner, tonumber(intent.priority)) end
  wait_behind(intent, cell, owner)
end

local function take_cells(intent, items)
  local cells, owned, ready, to_look = {}, {}, {}, {}
  for i, item in ipairs(items) do cells[i] = intent.column .. ':' .. item end
  local owners = redis.call('HMGET', P .. 'cells', unpack(cells))
  for i, cell in ipairs(cells) do
    if owners[i] then
      meet(intent, cell, items[i], owners[i])
    else
      owned[#owned + 1] = cell
      owned[#owned + 1] = intent.number
      if intent.look == 'S' and not untrusted_until(cell) then
        to_look[#to_look + 1] = items[i]
      elseif intent.look then
        admit(intent.group, intent.look, cell, items[i], intent.rank)
      else
        ready[#ready + 1] = intent.rank
        ready[#ready + 1] = items[i]
      end
    end
  end
  if #owned == 0 then return end
  redis.call('HSET', P .. 'cells', unpack(owned))
  if #to_look > 0 then await_looks(intent.group, intent.column, to_look, intent.rank) end
  if #ready == 0 then return end
  redis.call('ZADD', P .. 'ready:' .. intent.group, unpack(ready))
  touched[intent.group] = true
end

local function record(row)
  local intent, stop = begin(row)
  if not intent then return end
  local items = {}
  for item in string.gmatch(intent.items, '%d+') do items[#items + 1] = item end
  if stop then
    for _, item in ipairs(items) do note(intent.number, item, stop, '') end
  else
    take_cells(intent, items)
  end
  local recorded = tonumber(intent.offset) + #items
  if recorded < tonumber(intent.total) then
    redis.call('HSET', intent.record, 'nx', text(recorded))
  elseif intent.offset ~= '0' then
    redis.call('HDEL', intent.record, 'nx')
  end
end

for _, row in ipairs(given.intents) do record(row) end
write_item_log()
local any = next(touched) and 1 or 0
return {any, write_collected(), began_to_await and 1 or 0}
