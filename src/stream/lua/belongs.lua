-- Returns the error to return where a partition belongs to another deployment than the caller's, else nil.
local function foreign(state, deployment)
  local of = redis.call('HGET', state, 'deployment')
  if of and of ~= deployment then
    return redis.error_reply('FOREIGN the partition belongs to another deployment, with another database')
  end
end
