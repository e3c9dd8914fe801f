-- Find the intents of a sorted set that write to a work item: those of a page of it, newest first. Reads only.
-- KEYS  1 lane prefix
-- ARGV  1 name of the set  2 highest score, as of ZREVRANGEBYSCORE  3 how many to look at, and more if scores are the same  4 item
-- Returns {lowest score that was looked at, number, number, …}, empty at the end of the set.
-- USES  lane
local set, wanted = P .. ARGV[1], ',' .. ARGV[4] .. ','

local page = redis.call('ZREVRANGEBYSCORE', set, ARGV[2], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
if #page == 0 then return {} end
local last = page[#page]
local numbers = {}
for place = 1, #page, 2 do
  if page[place + 1] ~= last then numbers[#numbers + 1] = page[place] end
end
-- All of the last score, so that the next page can begin below it.
for _, number in ipairs(redis.call('ZREVRANGEBYSCORE', set, last, last)) do numbers[#numbers + 1] = number end

local found = {last}
for _, number in ipairs(numbers) do
  local items = redis.call('HGET', P .. 'intent:' .. number, 'it')
  if items and string.find(',' .. items .. ',', wanted, 1, true) then found[#found + 1] = number end
end
return found
