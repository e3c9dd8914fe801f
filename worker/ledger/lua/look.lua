-- What a sweep has to know of a lane, in one look; it also notes that somebody looked.
-- KEYS  1 lane prefix
-- ARGV  1 for how long ended intents are kept that succeeded (ms)  2 that failed (ms)  3 for how long the note is of interest (s)
-- Returns the sizes of full, part, jobs, due, checks and outbox, the number of owned cells, and five times 0 or 1: a lease is held;
--         an intent was canceled or expired and is still to be ended; an end is due to be made known; one that succeeded is old enough to be forgotten; one that failed
local function has(zset, until_ms)
  return #redis.call('ZRANGE', P .. zset, '-inf', text(until_ms), 'BYSCORE', 'LIMIT', 0, 1)
end

local answer = {}
for i, zset in ipairs({'full', 'part', 'jobs', 'due', 'checks', 'outbox'}) do answer[i] = redis.call('ZCARD', P .. zset) end
answer[7] = redis.call('HLEN', P .. 'cells')
answer[8] = redis.call('EXISTS', P .. 'lease')
answer[9] = (redis.call('EXISTS', P .. 'stopping', P .. 'overwritten') > 0) and 1 or has('expiring', WALL)
answer[10] = has('outbox', NOW)
answer[11] = has('ended:succeeded', WALL - tonumber(ARGV[1]))
answer[12] = has('ended:failed', WALL - tonumber(ARGV[2]))
redis.call('SET', P .. 'swept-at', string.format('%.3f', NOW / 1000), 'EX', ARGV[3])
return answer
