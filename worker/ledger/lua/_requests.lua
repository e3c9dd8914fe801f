-- The intents that want something of a batch.
-- USES  figures
-- Calls `visit` with the number of each intent of these changes, including sharers, once per change.
-- While a batch holds a change, its sharers do not change.
local function each_intent_of(parts, visit)
  local names = {}
  for i, part in ipairs(parts) do names[i] = part[3] .. ':' .. part[1] end
  local shared = redis.call('HMGET', P .. 'shared', unpack(names))
  for i, part in ipairs(parts) do
    visit(part[3])
    if shared[i] then
      for sharer in string.gmatch(shared[i], '%d+') do visit(sharer) end
    end
  end
end

-- A request was, or may have been, sent: counted once for each intent with items in it, and once for each change set.
local function count_request(parts)
  count('sent', 1)
  local seen, sets = {}, {}
  each_intent_of(parts, function(number)
    if seen[number] then return end
    seen[number] = true
    local record = P .. 'intent:' .. number
    redis.call('HINCRBY', record, 'rq', 1)
    local set = redis.call('HGET', record, 'cs')
    if set and not sets[set] then
      sets[set] = true
      redis.call('HINCRBY', P .. 'set:' .. set, 'rq', 1)
    end
  end)
end
