-- Find the intents that name a work item, among those given. Reads only.
-- KEYS  1 lane prefix
-- ARGV  1 item  2… numbers of intents
-- Returns {how many of them were looked at: fewer if their items are many, number, number, …}
local P = KEYS[1]
local ENOUGH = 262144 -- bytes of item ids, which take about a millisecond
local wanted = ',' .. ARGV[1] .. ','
local bytes, found = 0, {}

for i = 2, #ARGV do
  local items = redis.call('HGET', P .. 'intent:' .. ARGV[i], 'it')
  if items then
    bytes = bytes + #items
    if string.find(',' .. items .. ',', wanted, 1, true) then found[#found + 1] = ARGV[i] end
    if bytes > ENOUGH then return {i - 1, unpack(found)} end
  end
end
return {#ARGV - 1, unpack(found)}
