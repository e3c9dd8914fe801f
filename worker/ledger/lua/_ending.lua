-- The end of a step that gave changes their outcomes, or made some ready.
-- USES  outcomes intents groups sets
-- An intent's changes settle together, so its age is computed once.
local function count_outcomes(number, counts, enqueued_at)
  if counts[FIELD_OF[FAILED]] then redis.call('ZADD', P .. 'failures', text(WALL), number) end
  for field, by in pairs(counts) do
    if field ~= 'rq' then count(field, by) end
  end
  local succeeded = counts[FIELD_OF[SUCCEEDED]]
  if succeeded and enqueued_at > 0 then observe('applied', math.max(0, WALL - enqueued_at), succeeded) end
end

local NOT_OF_A_SET = {opn = true, rq = true}

-- Write what note(), conclude(), make_ready() and count() collected. Returns how many intents ended.
local function write_collected()
  local ended = {}
  for number, list in pairs(outcomes) do
    for first = 1, #list, 1000 do
      redis.call('HSET', P .. 'outcomes:' .. number, unpack(list, first, math.min(first + 999, #list)))
    end
  end
  for number, counts in pairs(tally) do
    local record = P .. 'intent:' .. number
    local enqueued_at, set = unpack(redis.call('HMGET', record, 't', 'cs'))
    count_outcomes(number, counts, tonumber(enqueued_at or 0))
    for field, by in pairs(counts) do
      local value = redis.call('HINCRBY', record, field, by)
      if field == 'opn' and by < 0 and value == 0 then ended[#ended + 1] = number end
      if set and not NOT_OF_A_SET[field] then count_in_set(set, field, by) end
    end
  end
  for _, number in ipairs(ended) do end_intent(number) end
  tally, outcomes = {}, {}
  write_set_figures()
  rank_groups()
  write_figures()
  return #ended
end
