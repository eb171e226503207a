-- Appends the events of one event-loop turn to a partition's stream, all or none.
-- KEYS  events, dead
-- ARGV  most entries the partition may hold, payload…
local bound = tonumber(ARGV[1])
-- Dead letters count: they are acknowledged events too, and what nobody looks after must not fill the memory.
if redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) + #ARGV - 1 > bound then
  return redis.error_reply('BACKLOG the partition holds as many events as it may')
end
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'e', ARGV[i])
end
return #ARGV - 1
