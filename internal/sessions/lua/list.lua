-- Lists the tenant's agents, in no order.
--
-- KEYS[1]  the set of the tenant's agents
--
-- Returns a list of ids, then a list of the kinds of what was dropped.
if not expect('index', KEYS[1], 'set') then
  return {{}, dropped}
end
return {redis.call('SMEMBERS', KEYS[1]), dropped}
