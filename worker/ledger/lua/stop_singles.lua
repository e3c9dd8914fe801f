-- Switch the single route off for a while: everything goes by batches meanwhile.
-- KEYS  1 lane prefix
-- ARGV  1 for how long (ms)  2 why
-- Returns 1 if it was on until now, 0 if not
-- USES  singles
return switch_off_singles(tonumber(ARGV[1]), ARGV[2]) and 1 or 0
