-- Reserve the next slot of an endpoint, by this server's clock.
-- KEYS  1 slot (hash: next, the earliest moment of the next request, and at, the moment of that entry, in µs; id of the last
--       reservation; strikes, failures in a row)
-- ARGV  1 spacing that counts until the reservation is settled (µs)  2 how far ahead a slot may lie (µs)
-- Returns {reservation id, µs until it} or {0, µs until the next slot}: too far ahead, nothing reserved.
-- Invariant: no two reservations closer than the spacing of the earlier one.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local kept = redis.call('HMGET', KEYS[1], 'next', 'at')
-- An entry from the future: the clock was set back. What was a second away then is no more than a second away now.
local set_back = math.max(0, tonumber(kept[2] or 0) - now)
local wait = math.max(0, tonumber(kept[1] or 0) - set_back - now)
if wait > tonumber(ARGV[2]) then return {0, wait} end
local id = redis.call('HINCRBY', KEYS[1], 'id', 1)
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + wait + tonumber(ARGV[1])), 'at', string.format('%.0f', now))
return {id, wait}
