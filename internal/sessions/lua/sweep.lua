-- Removes an agent that a rebuild did not find in the log, unless its last
-- event is after the place where the rebuild began to read.
--
-- KEYS[1]  the agent's record
-- KEYS[2]  the agent's hint
-- KEYS[3]  what the names of the tenant's ready queues begin with
-- ARGV[1]  the agent's id
-- ARGV[2]  incarnation of the mark
-- ARGV[3]  sequence of the mark, 20 digits
--
-- Returns 1 or 0 for removed, then the kinds of what was dropped.
local r = load(KEYS[1])
if not r or later(r.inc, r.seq, {inc = ARGV[2], seq = ARGV[3]}) then
  return {0, unpack(dropped)}
end
leave(r, KEYS[3], ARGV[1])
redis.call('DEL', KEYS[1])
if r.claim ~= '' and held_by(KEYS[2]) == r.claim then
  redis.call('DEL', KEYS[2])
end
return {1, unpack(dropped)}
