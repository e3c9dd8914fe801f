-- Reserve the next slot of an endpoint, by the ledger's clock.
-- KEYS  1 slot (hash: next, the earliest moment of the next request, and at, the moment of that entry, in µs; id of the last
--       reservation; strikes, failures in a row; credit, by how many µs the process `by` may be earlier; held, until when no
--       request may be sent, because the remote system wants a pause: `next` is never earlier)
-- ARGV  1 spacing until the reservation is settled (µs)  2 how far ahead a slot may be (µs)  3 the process
-- Returns {reservation id, µs until it} or {0, µs until the next slot}: too far ahead, nothing reserved.
-- Invariant: no two reservations closer than the spacing of the earlier one.
-- USES  clock
local now = read_clock()
local kept = redis.call('HMGET', KEYS[1], 'next', 'by', 'credit', 'held')
-- The network route of one process says nothing about another's: only the process that settled the slot has the credit.
local credit = kept[2] == ARGV[3] and tonumber(kept[3] or 0) or 0
local wait = math.max(0, tonumber(kept[1] or 0) - credit - now, tonumber(kept[4] or 0) - now)
if wait > tonumber(ARGV[2]) then return {0, wait} end
local id = redis.call('HINCRBY', KEYS[1], 'id', 1)
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + wait + tonumber(ARGV[1])), 'at', string.format('%.0f', now),
  'by', '', 'credit', '0')
return {id, wait}
