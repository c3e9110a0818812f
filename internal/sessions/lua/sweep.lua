-- Removes an agent that a rebuild did not find in the log, unless its last
-- event is after the place where the rebuild began to read.
--
-- KEYS[1]  the agent's record
-- KEYS[2]  the set of the tenant's agents
-- KEYS[3]  the agent's hint
-- KEYS[4]  what the names of the tenant's ready queues begin with
-- ARGV[1]  the agent's id
-- ARGV[2]  incarnation of the mark
-- ARGV[3]  sequence of the mark, 20 digits
--
-- Returns 1 or 0 for removed, then the kinds of what was dropped.
local r = load(KEYS[1])
if r and (later(r.inc, r.seq, {inc = ARGV[2], seq = ARGV[3]})) then
  return {0, unpack(dropped)}
end
if expect('index', KEYS[2], 'set') then
  redis.call('SREM', KEYS[2], ARGV[1])
end
if not r then
  return {0, unpack(dropped)}
end
leave(r, KEYS[4], ARGV[1])
redis.call('DEL', KEYS[1])
if r.claim ~= '' and held_by(KEYS[3]) == r.claim then
  redis.call('DEL', KEYS[3])
end
return {1, unpack(dropped)}
