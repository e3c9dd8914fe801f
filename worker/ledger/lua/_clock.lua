-- The ledger's clock, which is never set: the loader puts this text in front of each script that keeps or compares moments.
-- It counts on from where it stands, as the server's clock does, whatever somebody sets that clock to. KEYS[1] names the part of the
-- ledger by its hash tag. The loader adds a last argument: '<machine> <µs of that machine's steady clock>'.
-- Kept in <part>:clock (hash): `wall`, the server's clock when it was last noted; `ahead`, by how much the ledger's clock is ahead of
-- it (µs); and for each machine '<its steady clock> <the ledger's clock>' at that moment.
-- Invariants: the ledger's clock goes back by NOTED_EVERY at most, when the server's is set back. It never goes faster than the steady clock of a machine that looks at it, by more
-- than APART in all; time that no such clock has seen counts as APART at most. So what has to last, lasts.
local CLOCK = (string.match(KEYS[1], '^.-{[^}]*}:') or KEYS[1] .. ':') .. 'clock'
local APART = 1000000 -- µs; a call may be on its way for a while, and that is no step of a clock
local NOTED_EVERY = 100000 -- µs
local MACHINES = 32 -- that are known; one more, and all but that are forgotten

-- Returns the ledger's clock, for what has to last, and the server's, for what people look at. Both in µs.
local function read_clock()
  local machine, told = string.match(table.remove(ARGV), '^(%S+) (%d+)$')
  local time = redis.call('TIME')
  local wall, steady = time[1] * 1000000 + time[2], tonumber(told)
  local kept = redis.call('HMGET', CLOCK, 'wall', 'ahead', machine)
  local ahead, passed, is_step = tonumber(kept[2] or 0), NOTED_EVERY, false
  if kept[1] then
    passed = wall - kept[1]
    local seen = 0
    if kept[3] then
      local steady_then, ledger_then = string.match(kept[3], '^(%d+) (%d+)$')
      seen = math.max(0, (steady - steady_then) - (kept[1] + ahead - ledger_then))
    end
    local counted = passed
    if passed < 0 then counted = 0 elseif passed > seen + APART then counted = kept[3] and seen or APART end
    is_step = counted ~= passed
    ahead = ahead + counted - passed
  end
  if is_step or passed >= NOTED_EVERY or not kept[3] then
    if not kept[3] and redis.call('HLEN', CLOCK) >= MACHINES then redis.call('DEL', CLOCK) end
    -- A server without memory refuses to note it, and the next look finds the same; what it came for may go on.
    redis.pcall('HSET', CLOCK, 'wall', string.format('%.0f', wall), 'ahead', string.format('%.0f', ahead), machine,
      string.format('%.0f %.0f', steady, wall + ahead))
  end
  return wall + ahead, wall
end
