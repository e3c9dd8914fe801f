-- Collect evidence about the cause of a refused access: the whole lane, or one user in one space.
-- KEYS  1 lane prefix
-- ARGV  1 place: '<project_key> <user_key>'  2 'refused' | 'accepted' | 'accepted as itself' (by the lane's own user)
--       3 sufficient number of refusals  4 how long refusals count (ms)  5 how long acceptances count (ms)
-- Returns {how often the place was refused in a row (counting restarts at the sufficient number)
--       or -1: since its first refusal, the lane was accepted elsewhere; 0: this place is no longer refused,
--       whether another place is refused too (0|1), whether the lane's own user was ever accepted here (0|1),
--       the newest place where it was accepted elsewhere, or ''}
-- Invariant: only an acceptance after the first refusal clears the lane; a withdrawn permission refuses all places.
-- USES  lane
local suspects, worked = P .. 'suspects', P .. 'accepted'
local KEPT = 50 -- places
if ARGV[2] ~= 'refused' then
  redis.call('HDEL', suspects, ARGV[1])
  for _, place in ipairs(redis.call('HKEYS', suspects)) do redis.call('HSET', suspects, place, '-1') end
  if ARGV[2] == 'accepted as itself' then
    redis.call('ZADD', worked, NOW, ARGV[1])
    redis.call('ZREMRANGEBYRANK', worked, 0, -KEPT - 1)
    redis.call('PEXPIRE', worked, ARGV[5])
  end
  return {0, 0, 0, ''}
end
if redis.call('HGET', suspects, ARGV[1]) == '-1' then return {-1, 0, 0, ''} end
local refusals = redis.call('HINCRBY', suspects, ARGV[1], 1)
if refusals >= tonumber(ARGV[3]) then redis.call('HSET', suspects, ARGV[1], '0') end
redis.call('PEXPIRE', suspects, ARGV[4])
local others = 0
local kept = redis.call('HGETALL', suspects)
for i = 1, #kept, 2 do
  if kept[i] ~= ARGV[1] and kept[i + 1] ~= '-1' then others = 1 end
end
local here, elsewhere = 0, ''
for _, place in ipairs(redis.call('ZREVRANGE', worked, 0, -1)) do
  if place == ARGV[1] then here = 1 elseif elsewhere == '' then elsewhere = place end
end
return {refusals, others, here, elsewhere}
