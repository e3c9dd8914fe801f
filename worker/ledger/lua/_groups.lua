-- Which group is next: full ones, others, and since when each waits.
-- USES  cells route singles
local LATER = STEP / 2 -- added to the rank of a group with changes that wait behind others: sent now, the group must be sent again

-- Below zero: an earlier version of the ledger did not count them.
local function count_steps_back()
  for group, by in pairs(stepped_back) do
    if by ~= 0 and redis.call('HINCRBY', P .. 'behind-of', group, by) <= 0 then redis.call('HDEL', P .. 'behind-of', group) end
  end
end

-- Returns whether the group has ready changes for the batch route.
local function rank_group(group)
  local ready = P .. 'ready:' .. group
  local best = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
  if #best == 0 then
    redis.call('ZREM', R .. 'full', group)
    redis.call('ZREM', R .. 'part', group)
    redis.call('ZREM', R .. 'since', group)
    leave_singles(group)
    forget_size(group)
    return false
  end
  local size = redis.call('ZCARD', ready)
  if is_for_singles(group, size) then
    for _, list in ipairs({'full', 'part', 'since'}) do redis.call('ZREM', R .. list, group) end
    join_singles(group, size)
    return false
  end
  leave_singles(group)
  local into, out, rank = 'full', 'part', best[2]
  if size < ROUTE_ITEMS then
    into, out = 'part', 'full'
    if redis.call('HEXISTS', P .. 'behind-of', group) == 1 then rank = text(tonumber(rank) + LATER) end
  end
  redis.call('ZADD', R .. into, rank, group)
  redis.call('ZREM', R .. out, group)
  redis.call('ZADD', R .. 'since', 'NX', text(NOW), group)
  return true
end

-- `work` of the metrics: since when changes have been ready without a slot.
local function rank_groups()
  count_steps_back()
  local is_ready = false
  for group in pairs(stepped_back) do
    if not touched[group] then rank_group(group) end
  end
  for group in pairs(touched) do is_ready = rank_group(group) or is_ready end
  if is_ready then
    redis.call('HSETNX', P .. 'metrics', 'work', text(NOW))
  elseif next(touched) and redis.call('EXISTS', R .. 'full', R .. 'part') == 0 then
    redis.call('HDEL', P .. 'metrics', 'work')
  end
  stepped_back = {}
end
