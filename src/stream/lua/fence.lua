-- The fence: a caller that is not the latest owner changes nothing, and neither does one that is mistaken about where the
-- partition is. Takes the caller's epoch and, where it moves the partition on, the applied id that it knows and the one that it
-- moves to. Returns the error to return, or nil and whether the partition is there already.
local function fence(state, epoch, from, to)
  local owned = redis.call('HMGET', state, 'epoch', 'applied')
  if owned[1] ~= epoch then return redis.error_reply('FENCED a later epoch owns the partition') end
  if to and owned[2] == to then return nil, true end
  if from and owned[2] ~= from then return redis.error_reply('FENCED the partition has moved on') end
  return nil, false
end

-- constants GROUP
-- Shows standard tools where the partition is (XINFO GROUPS). Nothing depends on it, and somebody may have destroyed the
-- group, until the next owner creates it again: a script that has written must not fail for that.
local function showPosition(events, id)
  redis.pcall('XGROUP', 'SETID', events, GROUP, id)
end
