#!lua flags=allow-oom
-- Puts rebuilt figures in the place of the live ones and moves the partition to where Postgres is, in one step.
-- KEYS  state, events
-- ARGV  epoch, last id that Postgres has applied, first id to keep, group, number of keys to delete, key…,
--       then (rebuilt key, live key)…
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
local deletions = tonumber(ARGV[5])
for i = 6, 5 + deletions do redis.call('DEL', ARGV[i]) end
for i = 6 + deletions, #ARGV, 2 do
  if redis.call('EXISTS', ARGV[i]) == 1 then redis.call('RENAME', ARGV[i], ARGV[i + 1]) end
end
redis.call('HSET', KEYS[1], 'applied', ARGV[2])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
redis.call('XGROUP', 'SETID', KEYS[2], ARGV[4], ARGV[2])
return 'OK'
