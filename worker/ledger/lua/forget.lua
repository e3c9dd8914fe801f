-- Forget an ended intent: its record, its outcomes, and its group when it was the group's last.
-- KEYS  1 lane prefix
-- ARGV  number, number, … (how many: lane.py bounds it by their items, too)
-- Returns how many were forgotten. Invariant: an intent with open changes is never forgotten.
local forgotten = 0
for _, number in ipairs(ARGV) do
  local record = redis.call('HMGET', P .. 'intent:' .. number, 'g', 'end')
  if record[2] then
    redis.call('UNLINK', P .. 'intent:' .. number, P .. 'outcomes:' .. number)
    redis.call('ZREM', P .. 'outbox', number)
    redis.call('ZREM', P .. 'failures', number)
    if record[1] and redis.call('HINCRBY', P .. 'group:' .. record[1], 'refs', -1) <= 0 then
      redis.call('HDEL', P .. 'groups', redis.call('HGET', P .. 'group:' .. record[1], 'digest'))
      redis.call('DEL', P .. 'group:' .. record[1])
      redis.call('HDEL', P .. 'behind-of', record[1]) -- no change of it is left, whatever an earlier version did not count
    end
    forgotten = forgotten + 1
  end
  redis.call('ZREM', P .. 'ended:failed', number)
  redis.call('ZREM', P .. 'ended:succeeded', number)
end
return forgotten
