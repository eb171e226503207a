#!lua flags=allow-oom
-- Deletes figures of a partition, for its owner.
-- KEYS  state, keys to delete…
-- ARGV  epoch
-- Returns OK.
-- include ../../stream/lua/fence.lua
-- include ../../stores/lua/plan.lua
local refusal = fence(KEYS[1], ARGV[1])
if refusal then return refusal end
for i = 2, #KEYS do plan('DEL', KEYS[i]) end
writeAll()
return 'OK'
