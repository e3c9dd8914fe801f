-- The single route was switched on or off: groups that were ranked for the other state are ranked again.
-- `sorted` is 1 when all have been ranked since it was switched on; whatever switches it off, or changes its rate, sets it to 0.
-- USES  groups singles
local MOST_SORTED = 100 -- groups of one step

local function rank_from(list, from)
  local found = redis.call('ZRANGE', list, from, '+inf', 'BYSCORE', 'LIMIT', 0, MOST_SORTED, 'WITHSCORES')
  for i = 1, #found, 2 do rank_group(found[i]) end
  return #found == 2 * MOST_SORTED and found[#found]
end

-- Returns whether some are left.
local function sort_again()
  if not singles().is_used then return false end
  if singles().rate == 0 then return rank_from(S .. 'since', '-inf') and true or false end -- they leave that list
  local kept = redis.call('HMGET', S .. 'state', 'sorted', 'from')
  if kept[1] == '1' then return false end
  local last = rank_from(R .. 'part', kept[2] or '-inf')
  if last then
    redis.call('HSET', S .. 'state', 'from', '(' .. last)
    return true
  end
  redis.call('HSET', S .. 'state', 'sorted', '1')
  redis.call('HDEL', S .. 'state', 'from')
  return false
end
