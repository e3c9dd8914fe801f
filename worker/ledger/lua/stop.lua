-- Mark intents as canceled or expired: from here on their changes that are not in a batch are not sent (claim.lua), and
-- unrecorded ones end at once (record.lua). end_stopped.lua ends the waiting ones, a bounded part at a time.
-- KEYS  1 lane prefix
-- ARGV  1 outcome letter (c | e)  2… numbers
-- Returns how many were marked: the others have ended, are already marked, or are unknown.
-- USES  intents
local marked = 0
for i = 2, #ARGV do
  local kept = redis.call('HMGET', P .. 'intent:' .. ARGV[i], 'g', 'end', 'stop')
  if kept[1] and not kept[2] and not kept[3] then
    mark_stopped(ARGV[i], ARGV[1])
    marked = marked + 1
  end
end
return marked
