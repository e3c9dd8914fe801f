-- A batch ends without outcomes.
-- USES  requests outcomes cells batches looks
-- The open changes of an unsent or refused batch may be sent again, by whichever route. They keep their age and urgency.
local function dissolve(batch, parts)
  if redis.call('HGET', P .. 'batch:' .. batch, 'maybe') == '1' then note_maybe(parts) end
  for _, part in ipairs(parts) do
    local cell, item, number = unpack(part)
    redis.call('HSET', P .. 'cells', cell, number)
    walk_again(number, cell)
    make_ready_unlooked(number, cell, item)
  end
  each_intent_of(parts, function(number) add_to(number, 'snt', -1) end)
  count('held', -#parts)
  place(batch, 'dissolved', NOW)
  redis.call('HDEL', S .. 'flight', batch)
  drop_batch(batch, parts)
end
