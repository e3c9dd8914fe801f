-- Make the rows that a worker wrote down those of the run: from here on they are what the run enqueues.
-- KEYS  1 the entry's lock (string)  2 rows as they were written down (list)  3 the rows of the entry's newest run (list)
-- ARGV  1 what the lock holds while the caller has it  2 the run
-- Returns 1 if the run has its rows now, 0 if the lock is another worker's.
-- Invariant: a run's rows never change; the first worker that wrote all of them down decides.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('LINDEX', KEYS[3], 0) == ARGV[2] then
  redis.call('UNLINK', KEYS[2])
else
  redis.call('RENAME', KEYS[2], KEYS[3])
end
return 1
