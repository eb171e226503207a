#!lua flags=allow-oom
-- Moves the first waiting entry to the dead-letter stream with its reason, in one step.
-- KEYS  state, events, dead
-- ARGV  epoch, applied id before, entry id, payload, reason, group
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
local applied = redis.call('HGET', KEYS[1], 'applied')
if applied == ARGV[3] then return 'ALREADY' end
if applied ~= ARGV[2] then return redis.error_reply('FENCED the partition has moved on') end
redis.call('XADD', KEYS[3], '*', 'e', ARGV[4], 'reason', ARGV[5], 'entry', ARGV[3])
redis.call('XDEL', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], 'applied', ARGV[3])
-- Last: it fails when somebody has destroyed the group, and what a script has written by then stays.
redis.call('XGROUP', 'SETID', KEYS[2], ARGV[6], ARGV[3])
return 'OK'
