-- An intent ends, or is stopped.
-- USES  lane sets
local function end_intent(number)
  local record = P .. 'intent:' .. number
  redis.call('HSET', record, 'end', text(WALL))
  local list = 'ended:succeeded'
  for _, counted in ipairs(redis.call('HMGET', record, unpack(FIELDS_OF_TROUBLE))) do
    if counted then list = 'ended:failed' end
  end
  local kept = redis.call('HMGET', record, 'x', 'stop', 'cs')
  redis.call('ZADD', P .. list, text(WALL), number)
  redis.call('ZADD', P .. 'outbox', text(NOW), number)
  redis.call('ZREM', P .. 'open-intents', number)
  if kept[1] then redis.call('ZREM', P .. 'expiring', number) end
  if kept[2] then redis.call('ZREM', P .. 'stopping', number) end
  if kept[3] then count_in_set(kept[3], 'ended', 1) end
end

-- From here on, only changes of this intent that a batch holds are sent.
local function mark_stopped(number, letter)
  redis.call('HSET', P .. 'intent:' .. number, 'stop', letter)
  redis.call('ZADD', P .. 'stopping', text(NOW), number)
  redis.call('ZREM', P .. 'expiring', number)
end
