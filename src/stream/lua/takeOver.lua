#!lua flags=allow-oom
-- Makes the holder of the lease the owner: from here on only its epoch may change the partition.
-- KEYS  lease, state, events, dead
-- ARGV  lease token, epoch, last id that Postgres has applied, id of the deployment whose Postgres that is
-- Returns {applied id, deliveries of the first waiting entry, whether Redis lacks figures that Postgres has, last id of the entries
-- from the first on during whose try an owner ended, or ''}, or an error.
-- constants GROUP
-- include belongs.lua
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED the lease is held by another actor')
end
local refusal = foreign(KEYS[2], ARGV[4])
if refusal then return refusal end
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[3], GROUP, '0', 'MKSTREAM')
else
  local known = false
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[3])) do
    if group[2] == GROUP then known = true end
  end
  if not known then redis.call('XGROUP', 'CREATE', KEYS[3], GROUP, '0') end
end
-- While the partition's slot is being moved, a cluster lets nobody append who names a key that is not there.
if redis.call('EXISTS', KEYS[4]) == 0 then
  redis.call('XADD', KEYS[4], '*', 'e', '')
  redis.call('XTRIM', KEYS[4], 'MAXLEN', 0)
end
redis.call('HSET', KEYS[2], 'epoch', ARGV[2], 'deployment', ARGV[4])
local function parse(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function before(a, b)
  local ams, aseq = parse(a)
  local bms, bseq = parse(b)
  return ams < bms or (ams == bms and aseq < bseq)
end
local stored = ARGV[3]
local applied = redis.call('HGET', KEYS[2], 'applied')
local lost = 0
if not applied then
  applied = '0-0'
  redis.call('HSET', KEYS[2], 'applied', applied)
  if stored ~= '0-0' then lost = 1 end
elseif before(applied, stored) and #redis.call('XRANGE', KEYS[3], stored, stored) == 0 then
  -- An entry leaves the stream with the figures of its batch only: Redis came back from before that moment.
  lost = 1
end
if lost == 1 then redis.call('HSET', KEYS[2], 'lost', 1) end
-- A Redis that lost its streams, or whose clock went back, must not hand out ids that Postgres holds for applied.
local generated
local info = redis.call('XINFO', 'STREAM', KEYS[3])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then generated = info[i + 1] end
end
if before(generated, stored) then redis.call('XSETID', KEYS[3], stored) end
local deliveries = 0
local suspects = ''
local first = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]
if first then
  if redis.call('HGET', KEYS[2], 'head') == first[1] then
    deliveries = redis.call('HINCRBY', KEYS[2], 'deliveries', 1)
  else
    redis.call('HSET', KEYS[2], 'head', first[1], 'deliveries', 1)
    deliveries = 1
  end
  local tried = redis.call('HMGET', KEYS[2], 'tried_from', 'tried_to', 'attempts')
  if tried[1] == first[1] and tonumber(tried[3]) > 0 then suspects = tried[2] end
end
return { applied, deliveries, lost, suspects }
