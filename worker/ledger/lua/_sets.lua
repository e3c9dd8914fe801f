-- What is counted of change sets: the sums of their intents' counters, written once per step, set and counter.
-- USES  lane
local set_figures = {} -- number of a set → counter → by how much

local function count_in_set(set, field, by)
  local counts = set_figures[set]
  if not counts then counts = {}; set_figures[set] = counts end
  counts[field] = (counts[field] or 0) + by
end

local named = {} -- in this step
local function name_set(set, name)
  if not named[set] then redis.call('HSETNX', P .. 'set:' .. set, 'name', name) end
  named[set] = true
end

local function write_set_figures()
  for set, counts in pairs(set_figures) do
    for field, by in pairs(counts) do
      if by ~= 0 then redis.call('HINCRBY', P .. 'set:' .. set, field, text(by)) end
    end
  end
  set_figures = {}
end
