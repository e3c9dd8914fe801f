-- What is counted for metrics (docs/metrics.md) goes into one hash, a command per field, when the step is done.
-- Buckets of a histogram are fields `<name>:<upper bound>`.
-- USES  lane
local figures = {}

local function count(field, by) figures[field] = (figures[field] or 0) + by end

local function observe(name, value, times)
  local bucket = 'inf'
  for _, bound in ipairs(BOUNDS[name]) do
    if value <= bound then bucket = text(bound); break end
  end
  count(name .. ':' .. bucket, times)
  count(name .. ':sum', value * times)
end

local function write_figures()
  for field, by in pairs(figures) do
    if by ~= 0 then redis.call('HINCRBY', P .. 'metrics', field, text(by)) end
  end
  figures = {}
end
