-- Write intents into the durable inbox: all of the call's intents, or none.
-- KEYS  1 inbox (stream)  2 ids (hash)  3 sequence (counter)  4 parked (hash)  5 hint (flag)  6 format (number)
-- ARGV  1 how long a hint counts as outstanding, in ms
--       2 parked signature as JSON, or '' (then any number of intents); a signature belongs to exactly one intent
--       3… triples: intent id, content digest (in a change set: `digest`, number of items, set, with spaces between them),
--         intent as JSON; then, or not, for all of them: a trace context, or '';
--         then, or not: the producer of those that name none
-- Returns {hint wanted (0|1), n1, status1, n2, status2, …}; status: 'new' | 'same'
--      or {-1, intent id}: that id is already taken by another content; nothing was written;
--      or {NOT_OURS, format}: the ledger has another format than FORMAT; nothing was written.
-- The loader puts FORMAT, FORMAT_BEFORE and NOT_OURS in front (ledger_format.py).
-- An intent that names a change set is noted in that set, in three more keys beside `ids`.
-- Invariant: an id has one number and one content for as long as it is remembered; the stream id of an
-- entry is its number, so the stream's order is the order of enqueueing.
local LARGEST = 140737488355328 -- 2^47; ranks (record.lua) have room for 2^48
local inbox, ids, sequence, parked, hint = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local format = redis.call('GET', KEYS[6])
if not format and redis.call('EXISTS', sequence, ids, inbox) > 0 then format = FORMAT_BEFORE end
if format and format ~= FORMAT then return {NOT_OURS, format} end

local known = {}  -- intent id → '<number>:<digest>…', or ':<digest>' while it has no number
for i = 3, #ARGV - 2, 3 do
  local id, digest = ARGV[i], string.match(ARGV[i + 1], '^%w+')
  local entry = known[id] or redis.call('HGET', ids, id) or (':' .. digest)
  if string.match(entry, '^%d*:(%w+)') ~= digest then return {-1, id} end
  known[id] = entry
end

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

local more = (#ARGV - 2) % 3
local trace, producer = more > 0 and ARGV[#ARGV - more + 1] or '', more == 2 and ARGV[#ARGV] or ''
local about = {}
if trace ~= '' then about[1], about[2] = 'c', trace end
if producer ~= '' then about[#about + 1], about[#about + 2] = 'p', producer end

local function add(number, intent, call)
  return call('XADD', inbox, string.format('%.0f-0', number), 't', string.format('%.0f', now_ms), 'i', intent, unpack(about))
end

local function append(intent)
  local number = redis.call('INCR', sequence)
  local added = add(number, intent, redis.pcall)
  if type(added) ~= 'table' or not added.err then return number end
  -- Another program wrote into the stream, or the counter was lost: numbering continues after the last entry of the stream.
  local last = 0
  if redis.call('EXISTS', inbox) == 1 then
    local about = redis.call('XINFO', 'STREAM', inbox)
    for k = 1, #about, 2 do
      if about[k] == 'last-generated-id' then last = tonumber(string.match(about[k + 1], '^%d+')) end
    end
  end
  if last >= number and last < LARGEST then
    redis.call('SET', sequence, string.format('%.0f', last))
    number = redis.call('INCR', sequence)
  end
  add(number, intent, redis.call)
  return number
end

if not format then redis.call('SET', KEYS[6], FORMAT) end

-- The keys of a change set stand beside that of the ids: they share the hash tag.
local SETS = string.sub(ids, 1, -4)

-- What this call adds to change sets, written once per set: set → {members, changes, first intent as JSON}.
local grown = {}

local function into_its_set(set, items, id, number, intent)
  if not grown[set] then grown[set] = {members = {}, changes = 0, first = intent} end
  local members = grown[set].members
  members[#members + 1] = string.format('%.0f', number)
  members[#members + 1] = id
  grown[set].changes = grown[set].changes + items
end

local function describe(facts, first)
  local is_json, content = pcall(cjson.decode, first)
  if not is_json then return end
  if type(content.note) == 'string' then redis.call('HSETNX', facts, 'note', content.note) end
  local by = type(content.producer) == 'string' and content.producer or producer
  if by ~= '' then redis.call('HSETNX', facts, 'producer', by) end
end

local function write_sets()
  local now = string.format('%.0f', now_ms)
  for set, its in pairs(grown) do
    local facts = SETS .. 'set-facts:' .. set
    redis.call('ZADD', SETS .. 'set:' .. set, unpack(its.members))
    redis.call('ZADD', SETS .. 'sets', now, set)
    redis.call('HSETNX', facts, 'n', its.members[1])
    redis.call('HSETNX', facts, 'since', now)
    redis.call('HINCRBY', facts, 'intents', #its.members / 2)
    redis.call('HINCRBY', facts, 'changes', its.changes)
    if redis.call('HEXISTS', facts, 'note') == 0 then describe(facts, its.first) end
  end
end

local answer = {0}
local fresh = false
for i = 3, #ARGV - 2, 3 do
  local id, digest, items, set = ARGV[i], string.match(ARGV[i + 1], '^(%w+) ?(%d*) ?(.*)$')
  local number, status = tonumber(string.match(known[id], '^(%d+):')), 'same'
  if not number then
    -- The stream first: a script that fails here must not leave an id that is taken by an intent that is nowhere.
    number, status, fresh = append(ARGV[i + 2]), 'new', true
    known[id] = string.format('%.0f:%s', number, digest)
    redis.call('HSET', ids, id, known[id])
    if set ~= '' then into_its_set(set, tonumber(items), id, number, ARGV[i + 2]) end
  end
  answer[#answer + 1] = number
  answer[#answer + 1] = status
end
write_sets()
if ARGV[2] ~= '' then redis.call('HSET', parked, string.format('%.0f', answer[2]), ARGV[2]) end
if fresh and redis.call('SET', hint, '1', 'NX', 'PX', ARGV[1]) then answer[1] = 1 end
return answer
