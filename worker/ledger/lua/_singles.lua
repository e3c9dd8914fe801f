-- The single route: groups with few ready changes, which are sent item by item. Unused until a worker has set its rate.
-- USES  lane looks
local S = P .. 'route:' .. SINGLE .. ':'
local QUIET = 300 -- ms without growth, so that a group which is being filled is sent as a batch
local SIZE_STEP = 17592186044416 -- 2^44: a place among the groups is urgency, then size, then age
local single_route

-- `rate`: requests a second, 0 while the route is off. `alone`: an item is on one route at a time.
local function singles()
  if not single_route then
    local kept = redis.call('HMGET', S .. 'state', 'rate', 'off', 'alone')
    local is_off = tonumber(kept[2] or 0) > NOW
    single_route = {rate = not is_off and tonumber(kept[1] or 0) or 0, is_used = kept[1] and true or false, alone = kept[3] == '1'}
  end
  return single_route
end

-- For `ms` no more changes are sent by it. `why`: for people.
local function switch_off_singles(ms, why)
  local off_until = tonumber(redis.call('HGET', S .. 'state', 'off') or 0)
  if off_until >= NOW + ms then return false end
  redis.call('HSET', S .. 'state', 'off', text(NOW + ms), 'why', why, 'sorted', '0')
  redis.call('HDEL', S .. 'state', 'from')
  single_route = nil
  return off_until <= NOW
end

local function place_among_singles(group)
  local ready = P .. 'ready:' .. group
  local best = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
  if not best[2] then return nil end
  local rank = tonumber(best[2])
  return text(math.floor(rank / STEP) * STEP + redis.call('ZCARD', ready) * SIZE_STEP + rank % STEP % SIZE_STEP)
end

-- What is left of a larger group is one more batch: sent singly, it would cost a request for each change.
local function is_for_singles(group, size)
  local rate = singles().rate
  if rate == 0 then return false end
  local kept = redis.call('HMGET', P .. 'group:' .. group, 'one', 'bar', 'big')
  if not kept[1] or tonumber(kept[2] or 0) > NOW then return false end
  if size > rate and not kept[3] then redis.call('HSET', P .. 'group:' .. group, 'big', '1') end
  return size <= rate and not kept[3]
end

-- No change of it is ready: the size of the next ones counts again.
local function forget_size(group)
  if singles().is_used then redis.call('HDEL', P .. 'group:' .. group, 'big') end
end

local function leave_singles(group)
  if not singles().is_used or redis.call('HDEL', S .. 'sizes', group) == 0 then return end
  for _, list in ipairs({'small', 'fresh', 'since'}) do redis.call('ZREM', S .. list, group) end
end

local quiet_from = {} -- group → when a change that it replaces would have been sent
-- A cell whose value keeps changing is written nevertheless: the newer value waits no longer than the older one would have.
local function inherit_quiet(older_group, group)
  if singles().rate == 0 or older_group == group then return end
  local at = redis.call('ZSCORE', S .. 'fresh', older_group) or (redis.call('ZSCORE', S .. 'small', older_group) and NOW)
  if at then quiet_from[group] = math.min(tonumber(at), quiet_from[group] or math.huge) end
end

local function join_singles(group, size)
  local known = tonumber(redis.call('HGET', S .. 'sizes', group) or 0)
  if size ~= known then redis.call('HSET', S .. 'sizes', group, size) end
  redis.call('ZADD', S .. 'since', 'NX', text(NOW), group)
  if size > known then
    redis.call('ZREM', S .. 'small', group)
    redis.call('ZADD', S .. 'fresh', text(math.min(NOW + QUIET, quiet_from[group] or math.huge)), group)
  elseif not redis.call('ZSCORE', S .. 'fresh', group) then
    redis.call('ZADD', S .. 'small', place_among_singles(group), group)
  end
end

-- Groups that have been quiet long enough. Returns whether there may be more.
local function admit_quiet_ones(most)
  local quiet = redis.call('ZRANGE', S .. 'fresh', '-inf', text(NOW), 'BYSCORE', 'LIMIT', 0, most)
  for _, group in ipairs(quiet) do
    local at = place_among_singles(group)
    if at then redis.call('ZADD', S .. 'small', at, group) end
  end
  if #quiet > 0 then redis.call('ZREM', S .. 'fresh', unpack(quiet)) end
  return #quiet == most
end
