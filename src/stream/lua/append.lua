-- Appends the events of one event-loop turn to the streams of their partitions; of each partition all or none.
-- KEYS  per partition: events, dead
-- ARGV  most entries a partition may hold, then per partition: number of events, of each the event and its facts…
-- Returns per partition how many entries it then holds, or -1 when these would have been too many.
-- include ../../stores/lua/plan.lua
local bound = tonumber(ARGV[1])
local arg = 2
local held = {}
for i = 1, #KEYS, 2 do
  local events, count = KEYS[i], tonumber(ARGV[arg])
  -- Dead letters count: they are acknowledged events too, and what nobody looks after must not fill the memory.
  local after = redis.call('XLEN', events) + redis.call('XLEN', KEYS[i + 1]) + count
  if after > bound then
    after = -1
  else
    mayRun('XADD', events, '*', 'e', '', 'f', '')
  end
  held[#held + 1] = after
  arg = arg + 2 * count + 1
end
arg = 2
for i, after in ipairs(held) do
  local count = tonumber(ARGV[arg])
  if after >= 0 then
    for j = arg + 1, arg + 2 * count, 2 do
      redis.call('XADD', KEYS[2 * i - 1], '*', 'e', ARGV[j], 'f', ARGV[j + 1])
    end
  end
  arg = arg + 2 * count + 1
end
return held
