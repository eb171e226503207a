#!lua flags=allow-oom
-- Adds the visitors that a period's live figures know to its rebuilt ones, which know those whose raw events are left. Nothing is
-- done for a period that has expired.
-- KEYS  totals of the period: live, rebuilt
-- ARGV  unique visitors that were kept when raw events went; 1 when the period is closed, else 0
local BUCKETS = 64
local live, rebuilt = KEYS[1], KEYS[2]
if redis.call('EXISTS', rebuilt) == 0 then return 'OK' end

-- Stores what both hold together, for as long as the longer-lived of them.
local function merge(command, suffix)
  local into, from = rebuilt .. suffix, live .. suffix
  if redis.call('EXISTS', from) == 0 then return end
  local expiry = math.max(redis.call('EXPIRETIME', into), redis.call('EXPIRETIME', from))
  redis.call(command, into, into, from)
  redis.call('EXPIREAT', into, expiry)
end

local function membersOf(totals)
  local members = 0
  for bucket = 0, BUCKETS - 1 do members = members + redis.call('SCARD', totals .. ':visitors:' .. bucket) end
  return members
end

local before = redis.call('HMGET', live, 'unique_visitors', 'estimated')
local counted = redis.call('HMGET', rebuilt, 'unique_visitors', 'estimated')
local members, estimate = membersOf(live), redis.call('PFCOUNT', live .. ':hll')
merge('PFMERGE', ':hll')
local isEstimated = before[2] or counted[2]
if isEstimated then
  redis.call('HSET', rebuilt, 'estimated', 1)
  for bucket = 0, BUCKETS - 1 do redis.call('DEL', rebuilt .. ':visitors:' .. bucket) end
else
  for bucket = 0, BUCKETS - 1 do merge('SUNIONSTORE', ':visitors:' .. bucket) end
end
-- The live sets of a closed period have gone, or are those of an earlier rebuild and about to go; its sketch has everybody.
local isClosed = ARGV[2] == '1' or members == 0
local bySketch = estimate > 0 and (isEstimated or isClosed)
local new = bySketch and redis.call('PFCOUNT', rebuilt .. ':hll') - estimate or membersOf(rebuilt) - members
-- A difference, since what was counted before may be more than what the live sets and sketch have kept.
local uniques = math.max(tonumber(before[1] or 0) + new, tonumber(counted[1] or 0), tonumber(ARGV[1]))
redis.call('HSET', rebuilt, 'unique_visitors', uniques)
return 'OK'
