-- Record in an intent the id of the new intent that retries some of its failed items.
-- KEYS  1 lane prefix
-- ARGV  1 number  2 id of the new intent
-- Returns 1 if it was written, 0 if it was there or the record has expired. Invariant: a deleted record is not created again.
-- USES  lane
local key = P .. 'intent:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
local known = redis.call('HGET', key, 'ra')
if known and string.find(',' .. known .. ',', ',' .. ARGV[2] .. ',', 1, true) then return 0 end
redis.call('HSET', key, 'ra', known and (known .. ',' .. ARGV[2]) or ARGV[2])
return 1
