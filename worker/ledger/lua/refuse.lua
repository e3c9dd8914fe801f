-- Record an intent that is refused as a whole: it ends at once, with every item failed for the same reason.
-- KEYS  1 lane prefix
-- ARGV  1 number  2 intent id  3 enqueued at (ms)  4 total  5 all items, comma-separated  6 {"code", "reason"} as JSON
--       7 number of its change set, or ''  8 the set's id, or ''
--       9… the intent as written: names and values of further fields of the record, alternating
-- Returns 1 if recorded, 0 if the intent already existed.
-- USES  figures reasons intents sets item_log
local record = P .. 'intent:' .. ARGV[1]
if redis.call('EXISTS', record) == 1 then return 0 end
redis.call('HSET', record, 'id', ARGV[2], 't', ARGV[3], 'tot', ARGV[4], 'opn', '0', FIELD_OF[FAILED], ARGV[4], 'it', ARGV[5], 'er', ARGV[6])
if ARGV[7] ~= '' then
  redis.call('HSET', record, 'cs', ARGV[7])
  name_set(ARGV[7], ARGV[8])
  count_in_set(ARGV[7], FIELD_OF[FAILED], tonumber(ARGV[4]))
end
for i = 9, #ARGV, 2 do redis.call('HSET', record, ARGV[i], ARGV[i + 1]) end
count('rec', tonumber(ARGV[4]))
count(FIELD_OF[FAILED], tonumber(ARGV[4]))
count(FIELD_OF[FAILED] .. ':' .. reason_of(ARGV[6]), tonumber(ARGV[4]))
write_figures()
redis.call('ZADD', P .. 'failures', text(WALL), ARGV[1])
end_intent(ARGV[1])
write_set_figures()
note_items(ARGV[1], ARGV[5], ARGV[4])
write_item_log()
return 1
