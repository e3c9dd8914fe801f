-- Note which remote system lanes of this ledger work for.
-- KEYS  1 remotes (hash)
-- ARGV  triples: lane, what is noted as the caller saw it ('' for nothing), what to note instead
-- Returns 1, or 0: another process noted something else meanwhile, and nothing was written.
-- Invariant: of two that read the same, only one writes.
for i = 1, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
for i = 1, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
return 1
