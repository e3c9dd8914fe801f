-- Mark intents as canceled or expired: from here on nothing of them is sent that no batch holds yet (claim.lua), and what is
-- still to be recorded ends at once (record.lua). What waits is ended by end_stopped.lua, a bounded part at a time.
-- KEYS  1 lane prefix
-- ARGV  1 outcome letter (c | e)  2… numbers
-- Returns how many were marked: the others have ended, are marked already, or are not known.
local marked = 0
for i = 2, #ARGV do
  local kept = redis.call('HMGET', P .. 'intent:' .. ARGV[i], 'g', 'end', 'stop')
  if kept[1] and not kept[2] and not kept[3] then
    mark_stopped(ARGV[i], ARGV[1])
    marked = marked + 1
  end
end
return marked
