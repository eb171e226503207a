#!lua flags=allow-oom
-- Notes whose the streams and figures under a prefix are, unless they are another deployment's.
-- KEYS  deployment
-- ARGV  id of the deployment, its database in words, 1 to take them from another deployment, a mark for a Redis that has none
-- Returns {the database of the other deployment that has them, or '' when they are the caller's, the mark}.
local id = redis.call('HGET', KEYS[1], 'id')
if id and id ~= ARGV[1] and ARGV[3] ~= '1' then
  return { redis.call('HGET', KEYS[1], 'database') or 'unknown', '' }
end
local mark = redis.call('HGET', KEYS[1], 'mark') or ARGV[4]
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'database', ARGV[2], 'mark', mark)
return { '', mark }
