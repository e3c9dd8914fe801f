-- Pick the batch whose poll or read-back is due next and reserve it for a while.
-- First due batches whose cells block waiting changes, then the longest overdue.
-- KEYS  1 lane prefix
-- ARGV  1 'jobs' or 'checks'  2 how long to reserve it (ms)  3 how far ahead to look (ms)
-- Returns {'none'} | {'wait', ms until the next is due} | {'batch', batch, spec, field, value, …}
-- A lane with refused credentials must not poll; a lane that an operator paused tracks its open jobs to completion.
-- USES  lane
local pause = redis.call('GET', P .. 'pause')
if pause and string.find(pause, '"polling":false', 1, true) then return {'none'} end
local zset = P .. ARGV[1]
local due = redis.call('ZRANGE', zset, '-inf', text(NOW + tonumber(ARGV[3])), 'BYSCORE', 'LIMIT', 0, 16)
if #due == 0 then
  local first = redis.call('ZRANGE', zset, 0, 0, 'WITHSCORES')
  if not first[1] then return {'none'} end
  return {'wait', math.max(0, tonumber(first[2]) - NOW)}
end
local picked = due[1]
for _, batch in ipairs(due) do
  if redis.call('HEXISTS', P .. 'batch:' .. batch, 'blocks') == 1 then picked = batch; break end
end
redis.call('ZADD', zset, text(NOW + tonumber(ARGV[2])), picked)
local record = redis.call('HGETALL', P .. 'batch:' .. picked)
local group = redis.call('HGET', P .. 'batch:' .. picked, 'g')
local answer = {'batch', picked, redis.call('HGET', P .. 'group:' .. group, 'spec'), 'now', text(NOW)}
for _, value in ipairs(record) do answer[#answer + 1] = value end
return answer
