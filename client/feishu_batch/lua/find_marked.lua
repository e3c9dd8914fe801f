-- Find the intents that may name a work item, by the item log. Reads only.
-- KEYS  1 lane prefix
-- ARGV  1 the item's mark  2 the mark of intents with many items  3 intents per block  4… blocks
-- Returns their numbers, in no order. Invariant: none that names the item is missing.
local P = KEYS[1]
local WIDTH = 4 -- bytes of an entry: place in the block, mark
local found = {}

local function find(entries, mark, first)
  local at = string.find(entries, mark, 1, true)
  while at do
    if at % WIDTH == 2 then found[#found + 1] = first + string.byte(entries, at - 1) end
    at = string.find(entries, mark, at + 1, true)
  end
end

for i = 4, #ARGV do
  local entries = redis.call('GET', P .. 'item-log:' .. ARGV[i])
  if entries then
    local first = tonumber(ARGV[i]) * tonumber(ARGV[3])
    find(entries, ARGV[1], first)
    find(entries, ARGV[2], first)
  end
end
return found
