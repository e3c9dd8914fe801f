-- Store the Celery signature to send when the intent has ended.
-- KEYS  1 parked  2 released  3 ids
-- ARGV  1 number  2 intent id  3 signature as JSON  4 '1' if the message that brings it was delivered before
-- Returns the entry of ids, with the lane if the intent is recorded; or nil: nothing was parked, because the signature of an
--         earlier delivery was sent and has run, or the record has expired.
-- Invariant: a message's signature is released once, even if the message is delivered several times.
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
