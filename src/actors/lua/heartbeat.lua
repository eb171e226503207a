#!lua flags=allow-oom
-- Says that a node is alive, or that it leaves, and returns which nodes are. Every node calls it, with actors or without; a command
-- that must not run beside nodes only asks. Redis' clock decides, since nodes' clocks differ.
-- KEYS  nodes
-- ARGV  node ('' only asks), milliseconds until its heartbeat ends (0 leaves)
-- Returns the names of the live nodes, in the order in which their heartbeats end.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then
  if ARGV[2] == '0' then
    redis.call('ZREM', KEYS[1], ARGV[1])
  else
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)
