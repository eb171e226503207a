#!lua
-- Does what an append does, with no event, so that one who asks is told what an event would meet. Redis refuses it for the same reasons:
-- it is a replica, its disk or its memory is full, replicas are missing, the user lacks a right.
-- KEYS  per partition: state, events, dead
-- ARGV  id of the deployment
-- Returns OK.
-- include belongs.lua
-- include ../../stores/lua/plan.lua
-- What makes figures of an event (apply.lua), which the user has to be allowed, too.
local key = KEYS[1]
for _, command in ipairs({
  { 'DEL', key }, { 'EXPIRE', key, 1 }, { 'EXPIREAT', key, 1 }, { 'HINCRBY', key, 'f', 1 }, { 'HSET', key, 'f', 1 },
  { 'PFADD', key, 'e' }, { 'SADD', key, 1 }, { 'XTRIM', key, 'MAXLEN', 0 }, { 'ZADD', key, 1, 'e' },
  { 'ZINCRBY', key, 1, 'e' }, { 'ZREMRANGEBYSCORE', key, 0, 1 },
}) do mayRun(unpack(command)) end
for i = 1, #KEYS, 3 do
  local state, events, dead = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local refusal = foreign(state, ARGV[1])
  if refusal then return refusal end
  mustBe('stream', events)
  mustBe('stream', dead)
  mayRun('XADD', events, '*', 'e', '')
  plan('HSET', state, 'probe', 1)
end
writeAll()
return 'OK'
