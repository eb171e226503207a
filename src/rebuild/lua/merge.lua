#!lua flags=allow-oom
-- Adds the visitors that a period's live figures know to its rebuilt ones, which know those whose raw events are left. Nothing is
-- done for a period that has expired.
-- KEYS  of the period, live and rebuilt: totals, sketch, then the set of each bucket
-- ARGV  unique visitors that were kept when raw events went; 1 when the period is closed, else 0
-- include ../../stores/lua/plan.lua
local live, rebuilt = { totals = KEYS[1], sketch = KEYS[3] }, { totals = KEYS[2], sketch = KEYS[4] }
if redis.call('EXISTS', rebuilt.totals) == 0 then return 'OK' end

-- Stores what both hold together, for as long as the longer-lived of them.
local function merge(command, into, from)
  if redis.call('EXISTS', from) == 0 then return end
  local expiry = math.max(redis.call('EXPIRETIME', into), redis.call('EXPIRETIME', from))
  plan(command, into, into, from)
  plan('EXPIREAT', into, expiry)
end

-- Members of all sets: those of the live figures begin at the fifth key, those of the rebuilt ones at the sixth.
local function membersFrom(first)
  local members = 0
  for i = first, #KEYS, 2 do members = members + redis.call('SCARD', KEYS[i]) end
  return members
end

local before = redis.call('HMGET', live.totals, 'unique_visitors', 'estimated')
local counted = redis.call('HMGET', rebuilt.totals, 'unique_visitors', 'estimated')
local members, estimate = membersFrom(5), redis.call('PFCOUNT', live.sketch)
-- Finds sets of another type and a damaged sketch.
membersFrom(6)
redis.call('PFCOUNT', rebuilt.sketch)
merge('PFMERGE', rebuilt.sketch, live.sketch)
local isEstimated = before[2] or counted[2]
if isEstimated then
  plan('HSET', rebuilt.totals, 'estimated', 1)
  for i = 6, #KEYS, 2 do plan('DEL', KEYS[i]) end
else
  for i = 6, #KEYS, 2 do merge('SUNIONSTORE', KEYS[i], KEYS[i - 1]) end
end
-- The live sets of a closed period have gone, or are those of an earlier rebuild and about to go; its sketch has everybody.
local isClosed = ARGV[2] == '1' or members == 0
local bySketch = estimate > 0 and (isEstimated or isClosed)
mayRun('HSET', rebuilt.totals, 'unique_visitors', 0)
writes[#writes + 1] = function()
  local new = bySketch and redis.call('PFCOUNT', rebuilt.sketch) - estimate or membersFrom(6) - members
  -- A difference, since what was counted before may be more than what the live sets and sketch have kept.
  local uniques = math.max(tonumber(before[1] or 0) + new, tonumber(counted[1] or 0), tonumber(ARGV[1]))
  redis.call('HSET', rebuilt.totals, 'unique_visitors', uniques)
end
writeAll()
return 'OK'
