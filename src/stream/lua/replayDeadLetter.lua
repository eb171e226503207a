-- Moves a dead letter back to the end of its partition's stream, in one step.
-- KEYS  events, dead
-- ARGV  id of the dead letter
-- Gives 1 when it was there, else 0.
local letter = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not letter then return 0 end
for i = 1, #letter[2], 2 do
  if letter[2][i] == 'e' then
    redis.call('XADD', KEYS[1], '*', 'e', letter[2][i + 1])
    redis.call('XDEL', KEYS[2], ARGV[1])
    return 1
  end
end
return redis.error_reply('ERR the dead letter has no payload')
