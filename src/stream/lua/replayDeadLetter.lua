-- Moves a dead letter back to the end of its partition's stream, in one step.
-- KEYS  events, dead
-- ARGV  id of the dead letter
-- Returns 1 when it was there, else 0.
-- include ../../stores/lua/plan.lua
local events, dead = KEYS[1], KEYS[2]
local letter = redis.call('XRANGE', dead, ARGV[1], ARGV[1])[1]
if not letter then return 0 end
for i = 1, #letter[2], 2 do
  if letter[2][i] == 'e' then
    mustBe('stream', events)
    plan('XADD', events, '*', 'e', letter[2][i + 1])
    plan('XDEL', dead, ARGV[1])
    writeAll()
    return 1
  end
end
return redis.error_reply('ERR the dead letter has no payload')
