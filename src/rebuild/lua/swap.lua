#!lua flags=allow-oom
-- Puts rebuilt figures in the place of the live ones and moves the partition to where Postgres is, in one step.
-- KEYS  state, events, live keys to delete…, then (rebuilt key, live key)…
-- ARGV  epoch, last id that Postgres has applied, first id to keep, number of keys to delete
-- Returns OK.
-- include ../../stream/lua/fence.lua
-- include ../../stores/lua/plan.lua
local state, events = KEYS[1], KEYS[2]
local refusal = fence(state, ARGV[1])
if refusal then return refusal end
mustBe('stream', events)
local deletions = tonumber(ARGV[4])
for i = 3, 2 + deletions do plan('DEL', KEYS[i]) end
for i = 3 + deletions, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then plan('RENAME', KEYS[i], KEYS[i + 1]) end
end
plan('HSET', state, 'applied', ARGV[2], 'lost', 0)
plan('XTRIM', events, 'MINID', ARGV[3])
writeAll()
showPosition(events, ARGV[2])
return 'OK'
