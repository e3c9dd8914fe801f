-- A batch leaves its present state: some of its changes get their outcome, the others enter the next state together.
-- This one step is used for accepting, settling, putting back, and following up an unknown outcome.
-- KEYS  1 lane prefix
-- ARGV  1 batch  2 state in which the caller believes the batch  3 fence of the send that the caller knows of
--       4 next state of the remaining changes: open | resend | reask | check  5 in how many ms it is due
--       6 '1' = the request of this send was, or may have been, sent: it is counted
--       7 for how long a read of the settled cells proves nothing (ms)
--       8 n, number of record fields to set; then n pairs field, value; then triples cell (<column>:<item>),
--         outcome letter, detail
-- Returns {items that remain, intents ended, changes became ready (0|1), changes wait for a look (0|1)}
--      or {-1, 0, 0, 0}: the batch is no longer in that state, or was sent again; the caller's data is about an earlier job.
-- Invariants: a change gets one outcome; a cell is passed on in the same step; a stale owner changes nothing.
-- USES  outcomes requests cells batches route ending
local batch, record = ARGV[1], P .. 'batch:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'state', 'parts', 'fence', 'at', 'size', 'tries', 'g', 'kind')
if kept[1] ~= ARGV[2] or kept[3] ~= ARGV[3] then return {-1, 0, 0, 0} end
local parts, is_single_update = parts_of(kept[2]), is_single(batch)
if ARGV[6] == '1' then count_request(parts) end

local field_count = tonumber(ARGV[8])
local settled_from = 9 + 2 * field_count
if field_count > 0 then redis.call('HSET', record, unpack(ARGV, 9, settled_from - 1)) end
if kept[1] == 'sending' then release(batch, parts) end

-- Only for a first send with an unknown outcome, or an ended job: a repeat gives no new information.
local function count_end_of_state()
  if kept[8] == 'reask' or ARGV[4] == ARGV[2] and ARGV[2] == 'open' then return end
  if kept[1] == 'sending' then
    -- A single update that is read back because it has several fields was answered.
    local is_unknown = not is_single_update or redis.call('HGET', record, 'stray') == '1'
    if is_unknown and (ARGV[4] == 'reask' or ARGV[4] == 'check') then count('unk', 1) end
    return
  end
  if kept[1] ~= 'open' then return end
  local job = redis.call('HMGET', record, 'polls', 'seen_running', 'entered', 'stray')
  if job[4] == '1' then return count('unk', 1) end
  observe('polls', tonumber(job[1]) or 0, 1)
  local last_running = tonumber(job[2]) or tonumber(job[3]) or NOW
  observe('lag', math.max(0, math.floor((NOW - last_running) / 2)), 1)
end
count_end_of_state()

local outcome_of = {}
for i = settled_from, #ARGV, 3 do outcome_of[ARGV[i]] = {ARGV[i + 1], ARGV[i + 2]} end

local written = {}
for _, part in ipairs(parts) do
  if outcome_of[part[1]] then written[#written + 1] = part[1] end
end
note_written(written, tonumber(ARGV[7]))

local remaining, failed = {}, 0
for _, part in ipairs(parts) do
  local cell, item, number = unpack(part)
  local outcome = outcome_of[cell]
  if outcome then
    conclude(number, cell, item, outcome[1], outcome[2], true)
    pass_on(cell, item)
    if outcome[1] == FAILED then failed = failed + 1 end
  else
    remaining[#remaining + 1] = part
  end
end

count('held', #remaining - #parts)
if failed > 0 then redis.call('HINCRBY', record, 'failed', failed) end
if #remaining > 0 then
  redis.call('HSET', record, 'parts', pack_parts(remaining))
  if ARGV[4] ~= ARGV[2] then redis.call('HSET', record, 'entered', text(NOW)) end
  if ARGV[4] ~= 'resend' then redis.call('HSET', record, 'maybe', '1') end
  place(batch, ARGV[4], NOW + tonumber(ARGV[5]))
elseif is_single_update then
  place(batch, 'settled', NOW)
  drop_batch(batch, parts)
else
  local last = redis.call('HMGET', record, 'failed', 'task', 'polls')
  redis.call('LPUSH', P .. 'recent', cjson.encode({
    batch = tonumber(batch), group = tonumber(kept[7]), size = tonumber(kept[5]), failed = tonumber(last[1] or 0),
    claimed_at = (WALL - NOW + tonumber(kept[4])) / 1000, settled_at = WALL / 1000, tries = tonumber(kept[6]), polls = tonumber(last[3] or 0),
    job = last[2] or cjson.null}))
  redis.call('LTRIM', P .. 'recent', 0, 99)
  redis.call('HSETNX', P .. 'metrics', 'room', text(NOW))
  place(batch, 'settled', NOW)
  redis.call('DEL', record)
end
local ready = next(touched) and 1 or 0
return {#remaining, write_collected(), ready, began_to_await and 1 or 0}
