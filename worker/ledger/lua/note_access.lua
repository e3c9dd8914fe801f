-- Collect evidence on whose fault a refused access is: the lane's as a whole, or that of one user in one space.
-- KEYS  1 lane prefix
-- ARGV  1 place: '<project_key> <user_key>'  2 'refused' | 'accepted'  3 how many refusals are enough
--       4 for how long evidence counts (ms)
-- Returns how often the place was refused in a row (counting begins anew once it is enough)
--      or -1: since it was refused first, the lane was accepted elsewhere; 0: this place is not refused any more.
-- Invariant: only what was accepted after the first refusal clears the lane; a permission that is withdrawn refuses all places.
local suspects = P .. 'suspects'
if ARGV[2] == 'accepted' then
  redis.call('HDEL', suspects, ARGV[1])
  for _, place in ipairs(redis.call('HKEYS', suspects)) do redis.call('HSET', suspects, place, '-1') end
  return 0
end
if redis.call('HGET', suspects, ARGV[1]) == '-1' then return -1 end
local refusals = redis.call('HINCRBY', suspects, ARGV[1], 1)
if refusals >= tonumber(ARGV[3]) then redis.call('HDEL', suspects, ARGV[1]) end
redis.call('PEXPIRE', suspects, ARGV[4])
return refusals
