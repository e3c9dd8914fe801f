-- The ledger's clock, which is never set: the loader prepends this text to each script that stores or compares times.
-- It advances with the server's clock, but ignores that the server's clock is set. The hash tag of KEYS[1] names the part of the
-- ledger. The loader adds a last argument: '<machine> <µs of that machine's monotonic clock>'.
-- Stored in <part>:clock (hash): `wall`, the server's clock when it was last recorded; `ahead`, by how much the ledger's clock is
-- ahead of it (µs); and for each machine '<its monotonic clock> <the ledger's clock>' at that moment.
-- Invariants: when the server's clock is set back, the ledger's clock goes back by at most NOTED_EVERY. In total it never runs faster
-- than the monotonic clock of a calling machine by more than APART; time that no such clock measured counts as at most APART. So
-- leases and waits never end too early.
local CLOCK = (string.match(KEYS[1], '^.-{[^}]*}:') or KEYS[1] .. ':') .. 'clock'
local APART = 1000000 -- µs; the travel time of a call is not a step of a clock
local NOTED_EVERY = 100000 -- µs
local MACHINES = 32 -- stored machines; with one more, all others are deleted

-- Returns the ledger's clock, for durations, and the server's, for people. Both in µs.
local function read_clock()
  local machine, steady_us = string.match(table.remove(ARGV), '^(%S+) (%d+)$')
  local time = redis.call('TIME')
  local wall, steady = time[1] * 1000000 + time[2], tonumber(steady_us)
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
    -- A server without free memory refuses the write; the next call finds the same state, and this script may continue.
    redis.pcall('HSET', CLOCK, 'wall', string.format('%.0f', wall), 'ahead', string.format('%.0f', ahead), machine,
      string.format('%.0f %.0f', steady, wall + ahead))
  end
  return wall + ahead, wall
end
