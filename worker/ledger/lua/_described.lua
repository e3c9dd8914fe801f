-- A single update as the worker gets it: its record, and what each of its changes writes.
-- USES  batches

-- `verify`: the answer alone proves nothing.
local function described(batch, parts)
  local groups, specs, verify = {}, {}, #parts > 1
  for _, part in ipairs(parts) do
    local group = redis.call('HGET', P .. 'intent:' .. part[3], 'g')
    local kept = redis.call('HMGET', P .. 'group:' .. group, 'spec', 'one')
    groups[part[3]], specs[group] = group, kept[1]
    verify = verify or kept[2] == 'v'
  end
  local record, fields = redis.call('HGETALL', P .. 'batch:' .. batch), {now = text(NOW)}
  for i = 1, #record, 2 do fields[record[i]] = record[i + 1] end
  return {batch = batch, groups = groups, specs = specs, verify = verify, record = fields}
end
