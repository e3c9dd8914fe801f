-- Find the intents of a sorted set that write to a work item: those of a page of it, newest first. Reads only.
-- KEYS  1 lane prefix
-- ARGV  1 name of the set  2 highest score, as of ZREVRANGEBYSCORE  3 how many to look at, and more if scores are the same; fewer if
--         their items are many  4 item
-- Returns {lowest score that was looked at, number, number, …}, empty at the end of the set.
local P = KEYS[1]
local ENOUGH = 262144 -- bytes of item ids, which take about a millisecond
local set, wanted = P .. ARGV[1], ',' .. ARGV[4] .. ','
local looked_at, found = 0, {}

local function look(number)
  local items = redis.call('HGET', P .. 'intent:' .. number, 'it')
  if not items then return end
  looked_at = looked_at + #items
  if string.find(',' .. items .. ',', wanted, 1, true) then found[#found + 1] = number end
end

local page = redis.call('ZREVRANGEBYSCORE', set, ARGV[2], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
if #page == 0 then return {} end
local last, done = page[#page], nil
for place = 1, #page, 2 do
  local score = page[place + 1]
  if score == last then break end
  if looked_at > ENOUGH and score ~= done then return {done, unpack(found)} end
  look(page[place])
  done = score
end
if looked_at > ENOUGH then return {done, unpack(found)} end
-- All of the last score, so that the next page can begin below it.
for _, number in ipairs(redis.call('ZREVRANGEBYSCORE', set, last, last)) do look(number) end
return {last, unpack(found)}
