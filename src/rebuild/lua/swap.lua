#!lua flags=allow-oom
-- Puts rebuilt figures in the place of the live ones and moves the partition to where Postgres is, in one step.
-- KEYS  state, events, live keys to delete…, then (rebuilt key, live key)…
-- ARGV  epoch, last id that Postgres has applied, first id to keep, group, number of keys to delete
-- include ../../stores/lua/plan.lua
local state, events = KEYS[1], KEYS[2]
if redis.call('HGET', state, 'epoch') ~= ARGV[1] then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
mustBe('stream', events)
local deletions = tonumber(ARGV[5])
for i = 3, 2 + deletions do plan('DEL', KEYS[i]) end
for i = 3 + deletions, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then plan('RENAME', KEYS[i], KEYS[i + 1]) end
end
plan('HSET', state, 'applied', ARGV[2])
plan('XTRIM', events, 'MINID', ARGV[3])
writeAll()
-- It only shows where the partition is, and somebody may have destroyed it.
redis.pcall('XGROUP', 'SETID', events, ARGV[4], ARGV[2])
return 'OK'
