-- The request of a reservation is over: set when the next one may be sent.
-- KEYS  1 slot
-- ARGV  1 reservation id  2 µs from now until the next slot (may be negative)  3 'reset' | 'strike' | 'keep': consecutive failures
--       4 '1' = no process sends earlier, also if one has reserved since  5 credit: by how many µs this process may be earlier  6 the process
--       7 the answer, one of a few words, for counting; '' = no request was sent
-- Returns {failures in a row}
-- Invariants: only the last reservation moves the next slot, so a late answer cannot pull it forward. A hold-off moves it later
-- after any answer, and no answer to another request ends it.
-- USES  clock
local now = read_clock()
local kept = redis.call('HMGET', KEYS[1], 'id', 'next', 'held')
local next_at, held = now + tonumber(ARGV[2]), tonumber(kept[3] or 0)
local at = string.format('%.0f', now)
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'held', string.format('%.0f', math.max(next_at, held)),
    'next', string.format('%.0f', math.max(next_at, tonumber(kept[2] or 0))), 'at', at)
elseif kept[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'next', string.format('%.0f', math.max(next_at, held)), 'at', at, 'credit', ARGV[5], 'by', ARGV[6])
end
if ARGV[7] ~= '' then
  redis.call('HINCRBY', KEYS[1], 'answer:' .. ARGV[7], 1)
  redis.call('HSET', KEYS[1], 'asked', string.format('%.0f', now))
end
if ARGV[3] == 'reset' then
  redis.call('HDEL', KEYS[1], 'strikes')
  return {0}
end
if ARGV[3] == 'strike' then return {redis.call('HINCRBY', KEYS[1], 'strikes', 1)} end
return {tonumber(redis.call('HGET', KEYS[1], 'strikes') or 0)}
