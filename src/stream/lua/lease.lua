#!lua flags=allow-oom
-- Takes, renews or gives back the lease of a partition.
-- KEYS  lease
-- ARGV  token, milliseconds (0 gives back), 1 to renew only what the token still holds
-- Returns 1 when the token holds (or held) the lease, else 0.
local holder = redis.call('GET', KEYS[1])
if ARGV[2] == '0' then
  if holder == ARGV[1] then return redis.call('DEL', KEYS[1]) end
  return 0
end
if holder and holder ~= ARGV[1] then return 0 end
if not holder and ARGV[3] == '1' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
