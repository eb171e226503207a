#!lua flags=allow-oom
-- Adds a batch's totals to the figures of one partition and moves its position, in one step. Without a move it only adds
-- totals, as a rebuild does.
--
-- KEYS  state, events, then per day group: totals of day, week and month, all-time themes; then per site: active visitors
-- ARGV  epoch, applied id before, id of the batch's last entry ('' for no move), first id to keep, group, channel and
--       message for the dashboards ('' for none), day groups, then per day group:
--         events, page views, letters, motivation, anti_motivation,
--         3 × (expiry of the figures, 0 if it has passed; expiry of the exact visitors, 0 if the period is closed; both
--         in unix seconds),
--         number of themes, (theme, views)…, number of visitors, fingerprint…
--       then number of sites, time before which visitors are no longer current, and per site:
--         number of visitors, (last seen, fingerprint)…
-- Returns the number of visitors new to their day, or -1 if this batch was already applied.

-- A set of integers stays compact (8 bytes a visitor) up to 512 members, Redis' default set-max-intset-entries.
local BUCKETS = 64
-- Unique visitors of a partition and period are exact up to here, then estimated: 64 buckets of about 256.
local MAX_EXACT = 16384
-- Themes are chosen by visitors: beyond this many in one sorted set, further ones are summed under one name.
local MAX_THEMES = 10000
local OTHER_THEME = '(other)'

local state, events = KEYS[1], KEYS[2]
local owned = redis.call('HMGET', state, 'epoch', 'applied')
if owned[1] ~= ARGV[1] then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
local moves = ARGV[3] ~= ''
if moves then
  local applied = owned[2]
  if applied == ARGV[3] then return -1 end
  if applied ~= ARGV[2] then return redis.error_reply('FENCED the partition has moved on') end
end

local key, arg = 3, 8
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

local COUNTS = { 'events', 'page_views', 'letters', 'letters_motivation', 'letters_anti_motivation' }
local function addCounts(totals, counts, expiry)
  for i, field in ipairs(COUNTS) do
    if counts[i] ~= '0' and redis.call('HINCRBY', totals, field, counts[i]) == tonumber(counts[i]) and i == 1 then
      redis.call('EXPIREAT', totals, expiry)
    end
  end
end

local function addThemes(set, themes, expiry)
  local held = redis.call('ZCARD', set)
  local room = MAX_THEMES - held
  for i = 1, #themes, 2 do
    local name = themes[i]
    if room * 2 < #themes and not redis.call('ZSCORE', set, name) then
      if room > 0 then room = room - 1 else name = OTHER_THEME end
    end
    redis.call('ZINCRBY', set, themes[i + 1], name)
  end
  if expiry and held == 0 then redis.call('EXPIREAT', set, expiry) end
end

local function membersOf(buckets)
  local all = {}
  for _, members in pairs(buckets) do
    for _, member in ipairs(members) do all[#all + 1] = member end
  end
  return all
end

-- While a period is open and small, its visitors are counted exactly, in sets of integers; after that by HyperLogLog.
-- `buckets` holds the visitors new to the day: a visitor the day already has is in its week and month as well.
-- Returns the number of visitors new to the period, and the buckets with any of them (all buckets if that is unknown).
local function addVisitors(totals, buckets, expiry, exactExpiry)
  local hll = totals .. ':hll'
  if not next(buckets) then return 0, buckets end
  local known = redis.call('HMGET', totals, 'unique_visitors', 'estimated')
  local before = tonumber(known[1] or 0)
  local after
  local changed = buckets
  if known[2] or exactExpiry == '0' then
    local estimate = redis.call('PFCOUNT', hll)
    redis.call('PFADD', hll, unpack(membersOf(buckets)))
    -- Adds the difference, so that a closed period keeps its exact count as the base for late events.
    after = before + math.max(0, redis.call('PFCOUNT', hll) - estimate)
  else
    after = before
    changed = {}
    for bucket, members in pairs(buckets) do
      local set = totals .. ':visitors:' .. bucket
      local new = redis.call('SADD', set, unpack(members))
      if new > 0 then
        after = after + new
        changed[bucket] = members
        if new == #members and redis.call('SCARD', set) == new then redis.call('EXPIREAT', set, exactExpiry) end
      end
    end
    if next(changed) then redis.call('PFADD', hll, unpack(membersOf(changed))) end
    if after > MAX_EXACT then
      for bucket = 0, BUCKETS - 1 do redis.call('DEL', totals .. ':visitors:' .. bucket) end
      redis.call('HSET', totals, 'estimated', 1)
    end
  end
  if after ~= before then redis.call('HSET', totals, 'unique_visitors', after) end
  if next(changed) then redis.call('EXPIREAT', hll, expiry, 'NX') end
  return after - before, changed
end

local newVisitors = 0
for _ = 1, tonumber(nextArg()) do
  local totals = { nextKey(), nextKey(), nextKey() }
  local allThemes = nextKey()
  local counts = nextList(5)
  local expiries = nextList(6)
  local themes = nextList(2 * tonumber(nextArg()))
  local buckets = {}
  for _, visitor in ipairs(nextList(tonumber(nextArg()))) do
    local bucket = tonumber(visitor) % BUCKETS
    local members = buckets[bucket]
    if not members then
      members = {}
      buckets[bucket] = members
    end
    members[#members + 1] = visitor
  end
  for i = 1, 3 do
    local period, expiry = totals[i], expiries[2 * i - 1]
    -- Expired figures are not written again: they would come back incomplete, and never expire.
    if expiry ~= '0' then
      addCounts(period, counts, expiry)
      if #themes > 0 then addThemes(period .. ':themes', themes, expiry) end
      local new, changed = addVisitors(period, buckets, expiry, expiries[2 * i])
      if i == 1 then newVisitors, buckets = newVisitors + new, changed end
    end
  end
  if #themes > 0 then addThemes(allThemes, themes) end
end

local sites, horizon = tonumber(nextArg()), nextArg()
for _ = 1, sites do
  local active = nextKey()
  local seen = nextList(2 * tonumber(nextArg()))
  redis.call('ZADD', active, 'GT', unpack(seen))
  redis.call('ZREMRANGEBYSCORE', active, '-inf', '(' .. horizon)
  redis.call('EXPIRE', active, 600)
end

if moves then
  redis.call('HSET', state, 'applied', ARGV[3])
  redis.call('XTRIM', events, 'MINID', ARGV[4])
end
-- Before anything that may fail: a batch whose figures are in is not repeated, so its message would be lost. pcall,
-- because a lost message costs no more than a frame.
if ARGV[6] ~= '' then redis.pcall('PUBLISH', ARGV[6], ARGV[7]) end
if moves then redis.call('XGROUP', 'SETID', events, ARGV[5], ARGV[3]) end
return newVisitors
