-- Asks which commands this user may run, and runs none.
-- ARGV  per command: number of its words, words…
-- Returns per command 1 where the user may, 0 where not, -1 where the server does not know it.
local answers, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  local known, may = pcall(redis.acl_check_cmd, unpack(ARGV, at + 1, at + count))
  answers[#answers + 1] = not known and -1 or (may and 1 or 0)
  at = at + 1 + count
end
return answers
