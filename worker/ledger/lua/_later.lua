-- Changes whose request needs a read that proves something, and whose cell was written a moment ago. Either route wakes them.
-- USES  cells groups
local function wake_later()
  for _, cell in ipairs(redis.call('ZRANGE', P .. 'later', '-inf', text(NOW), 'BYSCORE', 'LIMIT', 0, 100)) do
    redis.call('ZREM', P .. 'later', cell)
    local owner = redis.call('HGET', P .. 'cells', cell)
    if owner and not string.find(owner, '@', 1, true) then make_ready(owner, cell, string.match(cell, '%d+$')) end
  end
  for group in pairs(touched) do rank_group(group) end
end
