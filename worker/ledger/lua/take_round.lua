-- Take the oldest entries of the inbox, for one process at a time; release the lock if none is left.
-- KEYS  1 intake lock  2 round  3 inbox
-- ARGV  1 owner  2 how long the lock holds (ms)  3 entries at most; fewer are taken where they are large
--       4 '1' if the owner's last round finished
-- Returns {0, {}}: another process has the lock, or no entry is left and the lock is free; or
--         {1 if an earlier round did not finish, else 0, {{entry id, {field, value, …}}, …}}
-- Invariants: if another process has the lock, it sees every present entry before it releases the lock.
--             Only the owner of the lock changes it, or the round's mark.
local known = redis.call('MGET', KEYS[1], KEYS[2])
local holder, mark = known[1], known[2]
if holder and holder ~= ARGV[1] then
  -- The server's clock was set back: see hold_lock.lua.
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return {0, {}}
end

-- Reading five hundred large intents at once would block the server for fifty milliseconds, and a round uses one of them.
local MOST_BYTES = 1048576 -- after this, no further page is read
local PAGE = 10 -- entries

local function oldest(limit)
  local entries, bytes, from = {}, 0, '-'
  while #entries < limit and bytes < MOST_BYTES do
    local page = redis.call('XRANGE', KEYS[3], from, '+', 'COUNT', math.min(PAGE, limit - #entries))
    if #page == 0 then break end
    for _, entry in ipairs(page) do
      entries[#entries + 1] = entry
      for _, part in ipairs(entry[2]) do bytes = bytes + #part end
    end
    from = '(' .. page[#page][1]
  end
  return entries
end

local entries = oldest(tonumber(ARGV[3]))
if #entries == 0 then
  if holder or mark then redis.call('DEL', KEYS[1], KEYS[2]) end
  return {0, {}}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1])
local ended = not mark or (mark == ARGV[1] and ARGV[4] == '1')
return {ended and 0 or 1, entries}
