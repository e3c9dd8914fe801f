-- Switch the single route off for a while: everything goes by batches meanwhile.
-- KEYS  1 lane prefix
-- ARGV  1 for how long (ms)  2 why
-- Returns 1
-- USES  singles
switch_off_singles(tonumber(ARGV[1]), ARGV[2])
return 1
