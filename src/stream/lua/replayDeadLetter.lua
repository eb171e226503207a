-- Moves a dead letter back to the end of its partition's stream, in one step.
-- KEYS  events, dead
-- ARGV  id of the dead letter
-- Returns 1 when it was there, else 0.
-- include ../../stores/lua/plan.lua
local events, dead = KEYS[1], KEYS[2]
local letter = redis.call('XRANGE', dead, ARGV[1], ARGV[1])[1]
if not letter then return 0 end
local fields = {}
for i = 1, #letter[2], 2 do fields[letter[2][i]] = letter[2][i + 1] end
if not fields.e then return redis.error_reply('ERR the dead letter has no payload') end
mustBe('stream', events)
-- Letters of the version before have no facts.
plan('XADD', events, '*', 'e', fields.e, 'f', fields.f or '')
plan('XDEL', dead, ARGV[1])
writeAll()
return 1
