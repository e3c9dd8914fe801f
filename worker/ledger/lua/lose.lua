-- Delete an entry of the inbox that could not be recorded, not even as failed. Its id may be used again.
-- KEYS  1 inbox  2 ids  3 lost  4 facts of its change set; any of the others if it has none
-- ARGV  1 position in the inbox  2 number  3 intent id  4 change set, or ''  5 how many items it has
-- Returns 1, or 0: it was deleted before.
-- Invariant: its change set counts it once, as ended and as failed, and knows it until the sweep forgets it.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
local entry = redis.call('HGET', KEYS[2], ARGV[3])
if entry and string.match(entry, '^%d+') == ARGV[2] then redis.call('HDEL', KEYS[2], ARGV[3]) end
if ARGV[4] ~= '' and redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HINCRBY', KEYS[4], 'lost', 1)
  redis.call('HINCRBY', KEYS[4], 'lost_changes', ARGV[5])
  redis.call('ZADD', KEYS[3], redis.call('TIME')[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
end
return 1
