-- Split a refused batch in two halves, which are sent separately at once, to find the item that caused the refusal.
-- KEYS  1 lane prefix
-- ARGV  1 batch  2 fence of the send  3 why (for the record)
-- Returns {first half, second half} or {-1, -1}: the caller no longer holds the lease.
-- The refused request is counted. Invariant: every cell stays closed, and belongs to one of the halves.
-- USES  figures requests batches route
local batch, record = ARGV[1], P .. 'batch:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'state', 'parts', 'fence', 'g', 'at')
if kept[1] ~= 'sending' or kept[3] ~= ARGV[2] then return {-1, -1} end
redis.call('DEL', R .. 'lease')

local parts = parts_of(kept[2])
count_request(parts)
local middle = math.ceil(#parts / 2)

local function half(first, last)
  local name = text(redis.call('INCR', P .. 'batch-sequence'))
  local part, held = {}, {}
  for i = first, last do
    part[#part + 1] = parts[i]
    held[#held + 1] = parts[i][1]
    held[#held + 1] = parts[i][3] .. '@' .. name
  end
  redis.call('HSET', P .. 'cells', unpack(held))
  redis.call('HSET', P .. 'batch:' .. name, 'g', kept[4], 'parts', pack_parts(part), 'kind', 'resend',
    'at', kept[5], 'tries', '0', 'size', text(#part), 'why', ARGV[3])
  place(name, 'resend', NOW)
  return name
end

local halves = {half(1, middle), half(middle + 1, #parts)}
place(batch, 'split', NOW)
redis.call('DEL', record)
count('split', 1)
write_figures()
return halves
