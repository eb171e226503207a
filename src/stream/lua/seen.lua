#!lua flags=allow-oom
-- Notes up to where the owner has read, so that a WAIT on the same connection is about these entries, too: what a master has that
-- no replica has may be gone in a moment.
-- KEYS  state, events
-- ARGV  id of the last entry that was read
if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then
  return redis.error_reply('TRYAGAIN the stream no longer has what was read')
end
redis.call('HSET', KEYS[1], 'seen', ARGV[1])
return 'OK'
