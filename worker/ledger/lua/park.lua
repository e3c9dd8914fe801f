-- Keep the Celery signature that is to be sent when the intent has ended.
-- KEYS  1 parked  2 released  3 ids
-- ARGV  1 number  2 intent id  3 signature as JSON  4 '1' if the message that brings it was delivered before
-- Returns the entry of ids, with the lane if the intent is recorded; or nil: nothing was parked, for an earlier delivery's
--         signature was sent and has done its work, or the intent is forgotten.
-- Invariant: a message's signature is released once, however often the message is delivered.
local entry = redis.call('HGET', KEYS[3], ARGV[2])
if not entry then return false end
if ARGV[4] == '1' then
  if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return false end
  redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[3])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('SREM', KEYS[2], ARGV[1])
end
return entry
