-- All or nothing. A script that fails keeps what it has written by then, and whoever called it tries again. So nothing is written
-- before everything has been read that may refuse: first all is planned, which meets keys of wrong types, damaged values
-- and commands that this user may not run; then all is written, which cannot fail any more.
local writes, allowed = {}, {}
-- Fails where the user may not run the command.
local function mayRun(command, key, ...)
  if allowed[command] then return end
  if not redis.acl_check_cmd(command, key, ...) then
    error({ err = 'NOPERM this user may not run ' .. command .. ' on ' .. key })
  end
  allowed[command] = true
end
-- Fails where a key holds something else; a missing one will do.
local function mustBe(kind, key)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then
    error({ err = 'WRONGTYPE ' .. key .. ' is a ' .. found .. ' and should be a ' .. kind })
  end
end
-- A command for later, in order; a function where what is written depends on a write before.
local function plan(command, key, ...)
  mayRun(command, key, ...)
  writes[#writes + 1] = { command, key, ... }
end
local function writeAll()
  for _, write in ipairs(writes) do
    if type(write) == 'function' then write() else redis.call(unpack(write)) end
  end
end
