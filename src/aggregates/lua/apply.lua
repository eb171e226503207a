#!lua flags=allow-oom
-- Adds a batch's totals to the figures of one partition and moves its position, in one step. Without a move it only
-- adds totals, as a rebuild does.
--
-- Every key is declared, so that a cluster that is moving some of them refuses the script before it runs.
--
-- KEYS  state, events; then per day group: all-time themes if there are themes, and per period (day, week, month) that
--       has not expired: totals, themes if there are any, and if there are visitors the HyperLogLog and, unless the
--       period is closed, the set of each bucket; then per site: active visitors
-- ARGV  epoch, applied id before, id of the batch's last entry ('' for no move), first id to keep, channel and message
--       for the dashboards ('' for none), day groups, then per day group:
--         events, page views, letters, motivation, anti_motivation,
--         3 × (expiry of the figures, 0 if it has passed; expiry of the exact visitors, 0 if the period is closed; both
--         in unix seconds),
--         number of themes, (theme, views)…, number of buckets, per bucket: number of visitors, fingerprint…
--       then number of sites, time before which visitors are no longer current, and per site:
--         number of visitors, (last seen, fingerprint)…
-- Returns the number of visitors new to their day, or -1 if this batch was already applied.

-- constants VISITOR_BUCKETS, MAX_THEMES, OTHER_THEME, MAX_EXACT_UNIQUES
-- Unique visitors of a partition and period are exact up to that, then estimated: buckets of about 256, because a set of
-- integers stays compact (8 bytes a visitor) up to 512 members, Redis' default set-max-intset-entries.
local COUNTS = { 'events', 'page_views', 'letters', 'letters_motivation', 'letters_anti_motivation' }

-- include ../../stream/lua/fence.lua
-- include ../../stores/lua/plan.lua

local state, events = KEYS[1], KEYS[2]
local moves = ARGV[3] ~= ''
local refusal, done = fence(state, ARGV[1], moves and ARGV[2], moves and ARGV[3])
if refusal then return refusal end
if done then return -1 end

local key, arg = 3, 7
local function nextKey()
  local value = KEYS[key]
  key = key + 1
  return value
end
local function nextArg()
  local value = ARGV[arg]
  arg = arg + 1
  return value
end
local function nextList(count)
  local list = {}
  for i = 1, count do list[i] = ARGV[arg + i - 1] end
  arg = arg + count
  return list
end

-- Changes planned by earlier groups of this batch, because two days of a batch may be in the same week.
local planned = {}

local function readTotals(totals)
  if planned[totals] then return planned[totals] end
  local known = redis.call('HMGET', totals, 'unique_visitors', 'estimated', unpack(COUNTS))
  for i = 1, #COUNTS + 2 do
    local value = known[i]
    if value and not string.match(value, '^%d+$') then
      error({ err = 'WRONGTYPE ' .. totals .. ' holds a count that is no number' })
    end
  end
  planned[totals] = { fresh = not known[3], uniques = tonumber(known[1] or 0), estimated = known[2] and true }
  return planned[totals]
end

local function planCounts(totals, counts, expiry)
  local known = readTotals(totals)
  for i, field in ipairs(COUNTS) do
    if counts[i] ~= '0' then plan('HINCRBY', totals, field, counts[i]) end
  end
  if known.fresh then plan('EXPIREAT', totals, expiry) end
  known.fresh = false
end

local function planThemes(set, themes, expiry)
  local held = (planned[set] or redis.call('ZCARD', set))
  local room = MAX_THEMES - held
  local added = 0
  for i = 1, #themes, 2 do
    local name = themes[i]
    if room * 2 < #themes and not redis.call('ZSCORE', set, name) then
      if room > 0 then room = room - 1 else name = OTHER_THEME end
    end
    plan('ZINCRBY', set, themes[i + 1], name)
    added = added + 1
  end
  if expiry and held == 0 then plan('EXPIREAT', set, expiry) end
  planned[set] = held + added
end

local newVisitors = 0

-- Plans to add the members that a bucket's set lacks.
local function planBucket(set, members, exactExpiry)
  local holds = redis.call('SMISMEMBER', set, unpack(members))
  local before = planned[set] or {}
  local new = {}
  for i, member in ipairs(members) do
    if holds[i] == 0 and not before[member] then
      new[#new + 1] = member
      before[member] = true
    end
  end
  planned[set] = before
  if #new > 0 then
    plan('SADD', set, unpack(new))
    if #new == #members and redis.call('SCARD', set) == 0 then plan('EXPIREAT', set, exactExpiry) end
  end
  return new
end

-- While a period is open and small, its visitors are counted exactly, in sets of integers; after that by HyperLogLog.
-- `buckets` holds the visitors new to the day: a visitor the day already has is in its week and month as well.
-- Returns the buckets of visitors new to the period (all buckets if that is unknown).
local function planVisitors(totals, hll, sets, buckets, expiry, exactExpiry, isDay)
  if not next(buckets) then return buckets end
  local known = readTotals(totals)
  local changed, added, members = {}, 0, {}
  local exact = not known.estimated and exactExpiry ~= '0'
  for bucket, visitors in pairs(buckets) do
    local new = exact and planBucket(sets[bucket], visitors, exactExpiry) or visitors
    if #new > 0 then
      changed[bucket] = new
      added = added + #new
      for _, visitor in ipairs(new) do members[#members + 1] = visitor end
    end
  end
  if added == 0 then return changed end
  -- Fails on a damaged HyperLogLog, before anything is written.
  redis.call('PFCOUNT', hll)
  mayRun('PFADD', hll, members[1])
  mayRun('HINCRBY', totals, 'unique_visitors', 1)
  writes[#writes + 1] = function()
    if exact then
      redis.call('PFADD', hll, unpack(members))
    else
      -- Adds the difference, so that a closed period keeps its exact count as the base for late events.
      local estimate = redis.call('PFCOUNT', hll)
      redis.call('PFADD', hll, unpack(members))
      added = math.max(0, redis.call('PFCOUNT', hll) - estimate)
    end
    if added > 0 then redis.call('HINCRBY', totals, 'unique_visitors', added) end
    if isDay then newVisitors = newVisitors + added end
  end
  plan('EXPIREAT', hll, expiry, 'NX')
  if exact then
    known.uniques = known.uniques + added
    if known.uniques > MAX_EXACT_UNIQUES then
      known.estimated = true
      plan('HSET', totals, 'estimated', 1)
    end
  end
  -- The sets of other buckets are dropped when their visitors return, or expire with the period.
  if known.estimated then
    for bucket in pairs(buckets) do if sets[bucket] then plan('DEL', sets[bucket]) end end
  end
  return changed
end

for _ = 1, tonumber(nextArg()) do
  local counts = nextList(5)
  local expiries = nextList(6)
  local themes = nextList(2 * tonumber(nextArg()))
  local all, buckets = {}, tonumber(nextArg())
  for bucket = 1, buckets do all[bucket] = nextList(tonumber(nextArg())) end
  if #themes > 0 then planThemes(nextKey(), themes) end
  local unknown = all
  for i = 1, 3 do
    local expiry, exactExpiry = expiries[2 * i - 1], expiries[2 * i]
    -- Expired figures are not written again: they would come back incomplete, and never expire.
    if expiry ~= '0' then
      local totals = nextKey()
      planCounts(totals, counts, expiry)
      if #themes > 0 then planThemes(nextKey(), themes, expiry) end
      if buckets > 0 then
        local hll, sets = nextKey(), {}
        if exactExpiry ~= '0' then
          for bucket = 1, buckets do sets[bucket] = nextKey() end
        end
        local changed = planVisitors(totals, hll, sets, unknown, expiry, exactExpiry, i == 1)
        if i == 1 then unknown = changed end
      end
    end
  end
end

local sites, horizon = tonumber(nextArg()), nextArg()
for _ = 1, sites do
  local active = nextKey()
  local seen = nextList(2 * tonumber(nextArg()))
  mustBe('zset', active)
  plan('ZADD', active, 'GT', unpack(seen))
  plan('ZREMRANGEBYSCORE', active, '-inf', '(' .. horizon)
  plan('EXPIRE', active, 600)
end

if moves then
  mustBe('stream', events)
  plan('HSET', state, 'applied', ARGV[3])
  plan('XTRIM', events, 'MINID', ARGV[4])
end

writeAll()
-- pcall, because a lost message costs no more than a frame.
if ARGV[5] ~= '' then redis.pcall('PUBLISH', ARGV[5], ARGV[6]) end
if moves then showPosition(events, ARGV[3]) end
return newVisitors
