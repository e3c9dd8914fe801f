-- Note that intents of a change set are counted in a lane.
-- KEYS  1 the set's facts
-- ARGV  1 lane
-- Returns the set's number, or nil: no intent of such a set is known.
local number = redis.call('HGET', KEYS[1], 'n')
if number then redis.call('HSETNX', KEYS[1], 'lane:' .. ARGV[1], '1') end
return number
