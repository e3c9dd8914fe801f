-- Pick single updates whose read-back is due: of one place, so that one read shows all of their items. They are reserved for a while.
-- Once one is due, those that will be soon are read with it.
-- KEYS  1 lane prefix
-- ARGV  1 how long to reserve them (ms)  2 items at most  3 what is due so soon is picked, too (ms)
-- Returns {'none'} | {'wait', ms until the next is due} | {'singles', JSON of a list (_described.lua)}
-- USES  batches described
local MOST_SEEN = 200
local pause = redis.call('GET', P .. 'pause')
if pause and string.find(pause, '"polling":false', 1, true) then return {'none'} end
local first = redis.call('ZRANGE', S .. 'checks', 0, 0, 'WITHSCORES')
if not first[1] then return {'none'} end
if tonumber(first[2]) > NOW then return {'wait', tonumber(first[2]) - NOW} end
local due = redis.call('ZRANGE', S .. 'checks', '-inf', text(NOW + tonumber(ARGV[3])), 'BYSCORE', 'LIMIT', 0, MOST_SEEN)
local first_place = redis.call('HGET', P .. 'batch:' .. due[1], 'pl')
local found = {}
for _, batch in ipairs(due) do
  if #found >= tonumber(ARGV[2]) then break end
  local kept = redis.call('HMGET', P .. 'batch:' .. batch, 'pl', 'parts')
  if kept[1] == first_place then
    redis.call('ZADD', S .. 'checks', text(NOW + tonumber(ARGV[1])), batch)
    found[#found + 1] = described(batch, parts_of(kept[2]))
  end
end
return {'singles', cjson.encode(found)}
