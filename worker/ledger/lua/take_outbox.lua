-- Take ended intents whose Celery result must be published; each is returned again later unless it is confirmed.
-- KEYS  1 lane prefix
-- ARGV  1 how many at most  2 when an unconfirmed one is returned again (ms)
-- Returns pairs number, intent id
-- USES  lane
local due = redis.call('ZRANGE', P .. 'outbox', '-inf', text(NOW), 'BYSCORE', 'LIMIT', 0, ARGV[1])
local answer = {}
for _, number in ipairs(due) do
  local id = redis.call('HGET', P .. 'intent:' .. number, 'id')
  if id then
    redis.call('ZADD', P .. 'outbox', text(NOW + tonumber(ARGV[2])), number)
    answer[#answer + 1] = number
    answer[#answer + 1] = id
  else
    redis.call('ZREM', P .. 'outbox', number)
  end
end
return answer
