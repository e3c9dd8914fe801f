-- Split a refused batch in two halves, or a single update into its fields, which are sent separately at once, to find what caused the refusal.
-- KEYS  1 lane prefix
-- ARGV  1 batch  2 fence of the send  3 why (for the record)  4 for how long a read of a single update's cells proves nothing (ms)
-- Returns {first, second, …} or {-1, -1}: the caller no longer holds the lease.
-- The refused request is counted. Invariant: every cell stays closed, and belongs to one of the pieces.
-- USES  figures requests batches route
local batch, record = ARGV[1], P .. 'batch:' .. ARGV[1]
local kept = redis.call('HMGET', record, 'state', 'parts', 'fence', 'g', 'at', 'maybe')
if kept[1] ~= 'sending' or kept[3] ~= ARGV[2] then return {-1, -1} end
local parts = parts_of(kept[2])
local is_single_update, place_number = is_single(batch), redis.call('HGET', record, 'pl')
release(batch, parts)
count_request(parts)
-- Some of a single update's fields may have been written before the one that was refused.
if is_single_update then
  local cells = {}
  for i, part in ipairs(parts) do cells[i] = part[1] end
  note_written(cells, tonumber(ARGV[4]))
end

local function group_of(part)
  return is_single_update and redis.call('HGET', P .. 'intent:' .. part[3], 'g') or kept[4]
end

local function piece(first, last)
  local name = text(redis.call('INCR', P .. 'batch-sequence'))
  local part, held = {}, {}
  for i = first, last do
    part[#part + 1] = parts[i]
    held[#held + 1] = parts[i][1]
    held[#held + 1] = parts[i][3] .. '@' .. name
  end
  redis.call('HSET', P .. 'cells', unpack(held))
  if is_single_update then redis.call('HSET', P .. 'batch:' .. name, 'rt', SINGLE, 'pl', place_number) end
  redis.call('HSET', P .. 'batch:' .. name, 'g', group_of(parts[first]), 'parts', pack_parts(part), 'kind', 'resend',
    'at', kept[5], 'tries', '0', 'size', text(#part), 'why', ARGV[3])
  if kept[6] == '1' or is_single_update then redis.call('HSET', P .. 'batch:' .. name, 'maybe', '1') end
  place(name, 'resend', NOW)
  return name
end

local size, pieces = is_single_update and 1 or math.ceil(#parts / 2), {}
for first = 1, #parts, size do pieces[#pieces + 1] = piece(first, math.min(first + size - 1, #parts)) end
place(batch, 'split', NOW)
redis.call('DEL', record)
count('split', 1)
write_figures()
return pieces
