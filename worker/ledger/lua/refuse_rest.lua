-- Fail the unrecorded items of a partly recorded intent; the recorded items continue.
-- KEYS  1 lane prefix
-- ARGV  1 number  2 items at most  3 {"code", "reason"} as JSON
-- Returns how many items must still be failed.
-- Invariant: an item is recorded once, or failed here once.
-- USES  outcomes ending
local record = P .. 'intent:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'nx', 'tot', 'it', 'stop')
if not kept[1] then return 0 end
local first, total = tonumber(kept[1]), tonumber(kept[2])
local last = math.min(total, first + tonumber(ARGV[2]))
local letter, detail = FAILED, ARGV[3]
if kept[4] then letter, detail = kept[4], '' end -- canceled or expired meanwhile
local place = 0
for item in string.gmatch(kept[3], '%d+') do
  place = place + 1
  if place > last then break end
  if place > first then note(ARGV[1], item, letter, detail) end
end
if last < total then redis.call('HSET', record, 'nx', text(last)) else redis.call('HDEL', record, 'nx') end
write_collected()
return total - last
