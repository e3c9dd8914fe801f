-- Delete ended intents: their records, their outcomes, and a group with its last intent.
-- KEYS  1 lane prefix
-- ARGV  number, number, … (lane.py also limits the number by their items)
-- Returns how many were deleted. Invariant: an intent with open changes is never deleted.
-- USES  item_log
local forgotten = 0
for _, number in ipairs(ARGV) do
  local record = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'end')
  if record[2] then
    redis.call('UNLINK', P .. 'intent:' .. number, P .. 'outcomes:' .. number, P .. 'before:' .. number)
    redis.call('ZREM', P .. 'outbox', number)
    redis.call('ZREM', P .. 'failures', number)
    if record[1] and redis.call('HINCRBY', P .. 'group:' .. record[1], 'refs', -1) <= 0 then
      redis.call('HDEL', P .. 'groups', redis.call('HGET', P .. 'group:' .. record[1], 'digest'))
      redis.call('DEL', P .. 'group:' .. record[1])
      redis.call('HDEL', P .. 'behind-of', record[1]) -- no change of it is left, even if an earlier version did not count correctly
    end
    drop_items(number)
    forgotten = forgotten + 1
  end
  redis.call('ZREM', P .. 'ended:failed', number)
  redis.call('ZREM', P .. 'ended:succeeded', number)
end
write_item_log()
return forgotten
