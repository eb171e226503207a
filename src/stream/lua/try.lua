#!lua flags=allow-oom
-- Notes that a few entries, or one, are about to be processed apart from the others, so that those which end their actor are
-- recognised by the next owner.
-- KEYS  state
-- ARGV  epoch, first entry id, last entry id, change of the count (1 before an attempt, -1 when a store and no entry was to blame)
-- Returns how often these have been tried.
-- include fence.lua
local refusal = fence(KEYS[1], ARGV[1])
if refusal then return refusal end
local tried = redis.call('HMGET', KEYS[1], 'tried_from', 'tried_to')
if tried[1] ~= ARGV[2] or tried[2] ~= ARGV[3] then
  redis.call('HSET', KEYS[1], 'tried_from', ARGV[2], 'tried_to', ARGV[3], 'attempts', 0)
end
return redis.call('HINCRBY', KEYS[1], 'attempts', ARGV[4])
