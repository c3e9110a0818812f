-- Looks whether agents whom the log has in a hunt group's queue are in it. Who
-- is not, though the record says so, has lost the place.
--
-- KEYS[1]   the ready queue
-- KEYS[2]   what the names of the tenant's agent records begin with
-- ARGV[1]   the hunt group
-- ARGV[2…]  the agents
--
-- Returns the kinds of what is lost or was dropped.
if not expect('ready', KEYS[1], 'zset') and #dropped > 0 then
  return dropped
end
for i = 2, #ARGV do
  local record = KEYS[2] .. ARGV[i]
  if redis.call('EXISTS', record) == 0 then
    return {'agent'}
  elseif not redis.call('ZSCORE', KEYS[1], ARGV[i]) and waits(load(record), ARGV[1]) then
    return {'ready'}
  end
end
return dropped
