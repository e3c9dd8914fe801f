-- Reserve the next slot of an endpoint, by this server's clock.
-- KEYS  1 slot (hash: next, the earliest moment of the next request, in µs; id of the last reservation)
-- ARGV  1 spacing that counts until the reservation is settled (µs)  2 how far ahead a slot may lie (µs)
-- Returns {reservation id, µs until it} or {0, µs until the next slot}: too far ahead, nothing reserved.
-- Invariant: no two reservations closer than the spacing of the earlier one.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local next_at = tonumber(redis.call('HGET', KEYS[1], 'next') or 0)
local wait = math.max(0, next_at - now)
if wait > tonumber(ARGV[2]) then return {0, wait} end
local id = redis.call('HINCRBY', KEYS[1], 'id', 1)
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + wait + tonumber(ARGV[1])))
return {id, wait}
