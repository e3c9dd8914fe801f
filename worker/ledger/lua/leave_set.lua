-- Take forgotten intents out of their change set, and drop the set with the last one.
-- KEYS  1 ids of the set's intents  2 the set's facts  3 sets  4 dropped sets
-- ARGV  1 the set's id  2… pairs intent id, number
-- Returns 1 if the set was dropped, else 0.
-- Invariant: a set is known for as long as one of its intents; its counts in the lanes are deleted later, by `dropped sets`.
for i = 2, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local facts = redis.call('HGETALL', KEYS[2])
local number = redis.call('HGET', KEYS[2], 'n')
for k = 1, #facts, 2 do
  local lane = string.match(facts[k], '^lane:(.+)$')
  if lane and number then redis.call('SADD', KEYS[4], number .. ' ' .. lane) end
end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
