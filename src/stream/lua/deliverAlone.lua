#!lua flags=allow-oom
-- Notes that an entry is about to be processed alone, so that one which kills its actor is recognised by the next owner.
-- KEYS  state
-- ARGV  epoch, entry id, change of its count (1 before an attempt, -1 when a store and not the entry was to blame)
-- Gives how often the entry has been tried alone.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return redis.error_reply('FENCED a later epoch owns the partition')
end
if redis.call('HGET', KEYS[1], 'alone') ~= ARGV[2] then
  redis.call('HSET', KEYS[1], 'alone', ARGV[2], 'attempts', 0)
end
return redis.call('HINCRBY', KEYS[1], 'attempts', ARGV[3])
