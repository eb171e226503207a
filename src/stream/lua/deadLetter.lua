#!lua flags=allow-oom
-- Moves the first waiting entry to the dead-letter stream with its reason, in one step.
-- KEYS  state, events, dead
-- ARGV  epoch, applied id before, entry id, event, facts, reason
-- Returns OK, or ALREADY when it has been moved before.
-- include fence.lua
-- include ../../stores/lua/plan.lua
local state, events, dead = KEYS[1], KEYS[2], KEYS[3]
local refusal, done = fence(state, ARGV[1], ARGV[2], ARGV[3])
if refusal then return refusal end
if done then return 'ALREADY' end
mustBe('stream', events)
mustBe('stream', dead)
plan('XADD', dead, '*', 'e', ARGV[4], 'f', ARGV[5], 'reason', ARGV[6], 'entry', ARGV[3])
plan('XDEL', events, ARGV[3])
plan('HSET', state, 'applied', ARGV[3])
writeAll()
showPosition(events, ARGV[3])
return 'OK'
