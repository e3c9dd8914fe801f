-- The item log: by it, a search finds the intents that name a work item without reading every record (docs/ledger.md, The item log).
-- USES  lane
local WIDTH = 4 -- bytes of an entry: place in the block, mark
local to_note, to_drop = {}, {} -- block → entries; block → place → true

local function block_and_place(number)
  local block = math.floor(tonumber(number) / LOG_BLOCK)
  return text(block), tonumber(number) - block * LOG_BLOCK
end

-- feishu_batch/item_log.py makes the same.
local function mark_of(item)
  local low = tonumber(string.sub(item, -MARK_DIGITS))
  return string.char(math.floor(low / 16384), math.floor(low / 128) % 128, low % 128)
end

-- `items`: all of the intent, comma-separated.
local function note_items(number, items, total)
  local block, place = block_and_place(number)
  local entries = to_note[block]
  if not entries then entries = {}; to_note[block] = entries end
  local head = string.char(place)
  if tonumber(total) > MOST_MARKED then
    entries[#entries + 1] = head .. MARK_OF_MANY
    return
  end
  for item in string.gmatch(items, '%d+') do entries[#entries + 1] = head .. mark_of(item) end
end

local function drop_items(number)
  local block, place = block_and_place(number)
  if not to_drop[block] then to_drop[block] = {} end
  to_drop[block][place] = true
end

local function without(entries, places)
  local kept, first = {}, 1 -- first: of the entries that stay together
  for at = 1, #entries, WIDTH do
    if places[string.byte(entries, at)] then
      kept[#kept + 1] = string.sub(entries, first, at - 1)
      first = at + WIDTH
    end
  end
  kept[#kept + 1] = string.sub(entries, first)
  return table.concat(kept)
end

local function write_item_log()
  for block, entries in pairs(to_note) do
    local name = P .. 'item-log:' .. block
    redis.call('SET', name, (redis.call('GET', name) or '') .. table.concat(entries)) -- APPEND would reserve as much again
    redis.call('SADD', P .. 'item-log-blocks', block)
  end
  for block, places in pairs(to_drop) do
    local name = P .. 'item-log:' .. block
    local left = without(redis.call('GET', name) or '', places)
    if left ~= '' then
      redis.call('SET', name, left)
    else
      redis.call('DEL', name)
      redis.call('SREM', P .. 'item-log-blocks', block)
    end
  end
  to_note, to_drop = {}, {}
end
