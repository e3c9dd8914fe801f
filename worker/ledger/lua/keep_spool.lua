-- Make the rows that a worker stored those of the run: from here on the run enqueues these rows.
-- KEYS  1 the entry's lock (string)  2 the stored rows (list)  3 the rows of the entry's newest run (list)
-- ARGV  1 the value of the lock while the caller has it  2 the run
-- Returns 1 if the run has its rows now, 0 if the lock is another worker's.
-- Invariant: a run's rows never change; the first worker that stored all of them decides.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('LINDEX', KEYS[3], 0) == ARGV[2] then
  redis.call('UNLINK', KEYS[2])
else
  redis.call('RENAME', KEYS[2], KEYS[3])
end
return 1
