-- Single updates of processes that have ended: whether they were executed is unknown. Either route notices it.
-- USES  figures requests batches singles
local LOST_AT_ONCE = 50

local function give_up_lost_ones()
  local flight = singles().is_used and redis.call('HGETALL', S .. 'flight') or {}
  for i = 1, math.min(#flight, 2 * LOST_AT_ONCE), 2 do
    local batch, owner = flight[i], flight[i + 1]
    if tonumber(redis.call('HGET', S .. 'owners', owner) or 0) <= NOW then
      local record = P .. 'batch:' .. batch
      local kept = redis.call('HMGET', record, 'state', 'parts', 'grace')
      redis.call('HDEL', S .. 'flight', batch)
      if kept[1] == 'sending' then
        redis.call('HSET', record, 'stray', '1', 'maybe', '1', 'looks', '0', 'entered', text(NOW), 'why', 'the worker ended while sending it')
        place(batch, 'check', NOW + tonumber(kept[3]))
        count_request(parts_of(kept[2]))
        count('unk', 1)
      end
    end
  end
  write_figures()
end
