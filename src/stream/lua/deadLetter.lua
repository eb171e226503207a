#!lua flags=allow-oom
-- Moves the first waiting entry to the dead-letter stream with its reason, in one step.
-- KEYS  state, events, dead
-- ARGV  epoch, applied id before, entry id, payload, reason, group
-- include ../../stores/lua/plan.lua
local state, events, dead = KEYS[1], KEYS[2], KEYS[3]
if redis.call('HGET', state, 'epoch') ~= ARGV[1] then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
local applied = redis.call('HGET', state, 'applied')
if applied == ARGV[3] then return 'ALREADY' end
if applied ~= ARGV[2] then return redis.error_reply('FENCED the partition has moved on') end
mustBe('stream', events)
mustBe('stream', dead)
plan('XADD', dead, '*', 'e', ARGV[4], 'reason', ARGV[5], 'entry', ARGV[3])
plan('XDEL', events, ARGV[3])
plan('HSET', state, 'applied', ARGV[3])
writeAll()
-- It only shows where the partition is, and somebody may have destroyed it.
redis.pcall('XGROUP', 'SETID', events, ARGV[6], ARGV[3])
return 'OK'
