-- Store the Celery signature to send when a change set has ended; it replaces an earlier one.
-- KEYS  1 the set's facts  2 awaited sets
-- ARGV  1 the set's id  2 signature as JSON
-- Returns 1, or 0: no intent of such a set is known; nothing was written.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
