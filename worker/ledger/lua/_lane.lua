-- What every script of a lane begins with.
-- KEYS[1] is the lane's prefix, '<prefix>:{<lane>}:'. All other keys are built from it, so that they share its hash tag.
-- USES  clock
local P = KEYS[1]
local STEP = 281474976710656 -- 2^48: a rank is (9 - priority) * STEP + intent number, exact in a double

local function text(number) return string.format('%.0f', number) end

-- NOW is the ledger's clock (_clock.lua): for due times and durations. WALL is the server's: for times from
-- outside, and times for people. Both in ms.
local ledger_us, wall_us = read_clock()
local NOW, WALL = math.floor(ledger_us / 1000), math.floor(wall_us / 1000)
local touched = {} -- groups whose ready changes are others after this step

local function rank_of(number, priority) return text((9 - tonumber(priority or 5)) * STEP + tonumber(number)) end

-- For how many ms no request is composed, because a long list of intents is being marked as canceled; or nil. If more time is left than
-- was set, the server's clock was set back.
local function held_back()
  local left, meant = redis.call('PTTL', P .. 'hold'), redis.call('GET', P .. 'hold')
  return left > 0 and left <= tonumber(meant) and left or nil
end
