-- Gives an agent's hint to a call, unless another call holds it. The holder
-- that asks again, or whose question is run twice, keeps it with a new ttl.
--
-- KEYS[1]  the agent's hint
-- ARGV[1]  the call
-- ARGV[2]  ttl in milliseconds, by Redis' own clock
--
-- Returns the call that holds the hint now, then the kinds of what was dropped.
local holder = held_by(KEYS[1])
if holder and holder ~= '' and holder ~= ARGV[1] then
  return {holder, unpack(dropped)}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {ARGV[1], unpack(dropped)}
