-- Split a refused batch in two, each to be sent on its own at once, to find the item that it was refused for.
-- KEYS  1 lane prefix
-- ARGV  1 batch  2 fence of the send  3 why (for the record)
-- Returns {first half, second half} or {-1, -1}: the caller does not hold the lease any more.
-- The refused request is counted. Invariant: every cell stays closed; it merely belongs to one of the halves now.
local batch, record = ARGV[1], P .. 'batch:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'state', 'items', 'col', 'g', 'at', 'fence')
if kept[1] ~= 'sending' or kept[6] ~= ARGV[2] then return {-1, -1} end
redis.call('DEL', P .. 'lease')

local items = items_of(kept[2])
count_request(kept[3], items)
local middle = math.ceil(#items / 2)

local function half(first, last)
  local name = text(redis.call('INCR', P .. 'batch-sequence'))
  local part, held = {}, {}
  for i = first, last do
    part[#part + 1] = items[i]
    held[#held + 1] = kept[3] .. ':' .. items[i][1]
    held[#held + 1] = items[i][2] .. '@' .. name
  end
  redis.call('HSET', P .. 'cells', unpack(held))
  redis.call('HSET', P .. 'batch:' .. name, 'g', kept[4], 'col', kept[3], 'items', pack_items(part), 'kind', 'resend',
    'at', kept[5], 'tries', '0', 'size', text(#part), 'why', ARGV[3])
  place(name, 'resend', NOW)
  return name
end

local halves = {half(1, middle), half(middle + 1, #items)}
place(batch, 'split', NOW)
redis.call('DEL', record)
count('split', 1)
write_figures()
return halves
