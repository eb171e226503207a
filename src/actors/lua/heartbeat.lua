#!lua flags=allow-oom
-- Says that a node with actors lives, and asks which others do. Redis' clock decides, since nodes' clocks differ.
-- KEYS  nodes
-- ARGV  node, milliseconds until the heartbeat ends (0 leaves)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)
