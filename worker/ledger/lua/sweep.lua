-- The data that a sweep needs about a lane, in one step; it also records the time of the sweep.
-- KEYS  1 lane prefix
-- ARGV  1 retention of succeeded intents (ms)  2 of failed ones (ms)  3 how long the time of the sweep is kept (s)
-- Returns the sizes of full, part, jobs, due (with later), checks and outbox, the number of owned cells, the groups of the single
--         route and its updates to send again and to read back, and six times 0 or 1: a lease is held;
--         a canceled or expired intent must still be ended; a result is due to be published; the retention of a succeeded intent is over; of a failed one;
--         changes wait for a look
-- USES  route singles
local function has(zset, until_ms)
  return #redis.call('ZRANGE', P .. zset, '-inf', text(until_ms), 'BYSCORE', 'LIMIT', 0, 1)
end

local answer = {}
for i, zset in ipairs({R .. 'full', R .. 'part', P .. 'jobs', P .. 'due', P .. 'checks', P .. 'outbox'}) do
  answer[i] = redis.call('ZCARD', zset)
end
answer[4] = answer[4] + redis.call('ZCARD', P .. 'later')
answer[7] = redis.call('HLEN', P .. 'cells')
answer[8] = redis.call('HLEN', S .. 'sizes') + redis.call('HLEN', S .. 'flight')
answer[9], answer[10] = redis.call('ZCARD', S .. 'due'), redis.call('ZCARD', S .. 'checks')
answer[11] = redis.call('EXISTS', R .. 'lease')
answer[12] = (redis.call('EXISTS', P .. 'stopping', P .. 'overwritten') > 0) and 1 or has('expiring', WALL)
answer[13] = has('outbox', NOW)
answer[14] = has('ended:succeeded', WALL - tonumber(ARGV[1]))
answer[15] = has('ended:failed', WALL - tonumber(ARGV[2]))
answer[16] = redis.call('EXISTS', P .. 'looks', P .. 'look-claims') > 0 and 1 or 0
redis.call('SET', P .. 'swept-at', string.format('%.3f', NOW / 1000), 'EX', ARGV[3])
return answer
