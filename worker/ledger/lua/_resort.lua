-- The single route was switched on or off: groups that were ranked for the other state are ranked again.
-- USES  groups singles
local MOST_SORTED = 300 -- groups of one step

-- Returns whether some are left.
local function sort_again()
  local now_on = singles().rate > 0 and '1' or '0'
  local kept = redis.call('HMGET', S .. 'state', 'sorted', 'from')
  if not singles().is_used or (kept[1] or '0') == now_on then return false end
  local groups, from = {}, kept[2] or '-inf'
  if now_on == '0' then
    groups = redis.call('ZRANGE', S .. 'since', 0, MOST_SORTED - 1)
  else
    local found = redis.call('ZRANGE', R .. 'part', from, '+inf', 'BYSCORE', 'LIMIT', 0, MOST_SORTED, 'WITHSCORES')
    for i = 1, #found, 2 do groups[#groups + 1] = found[i] end
    from = '(' .. (found[#found] or '-inf')
  end
  for _, group in ipairs(groups) do rank_group(group) end
  if #groups < MOST_SORTED then
    redis.call('HSET', S .. 'state', 'sorted', now_on)
    redis.call('HDEL', S .. 'state', 'from')
    return false
  end
  redis.call('HSET', S .. 'state', 'from', now_on == '1' and from or '-inf')
  return true
end
