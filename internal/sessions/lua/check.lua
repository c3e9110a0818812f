-- Looks again at an agent whose record could not be read, and drops what is
-- damaged: it may have been written properly in the meantime.
--
-- KEYS[1]  the agent's record
-- KEYS[2]  the set of the tenant's agents
-- ARGV[1]  the agent's id
-- ARGV[2]  the text that Go could not understand, or empty
--
-- Returns the kinds of what was dropped.
local listed = expect('index', KEYS[2], 'set') and redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1
local r = load(KEYS[1])
if r and redis.call('GET', KEYS[1]) == ARGV[2] then
  drop('agent', KEYS[1])
  r = nil
end
if listed and not r then
  redis.call('SREM', KEYS[2], ARGV[1])
  if #dropped == 0 then
    dropped[1] = 'agent' -- the record is gone without a trace
  end
end
return dropped
