-- Records an agent's state after an event, unless that event or a later one is
-- on record. Running it twice changes nothing the second time.
--
-- KEYS[1]  the agent's record
-- KEYS[2]  the agent's hint
-- KEYS[3]  what the names of the tenant's ready queues begin with
-- ARGV[1]  the agent's id
-- ARGV[2]  the new record
-- ARGV[3]  "1" in a rebuild: an event on record is written once more, and the
--          queues are made to agree with whatever is on record
--
-- Returns 1 or 0 for applied, then the kinds of what was dropped.
local id, new = ARGV[1], parse(ARGV[2])
local rebuild = ARGV[3] == '1'
if not new then
  return redis.error_reply('ERR not a record')
end

local was = load(KEYS[1])
local applied = was == nil or later(new.inc, new.seq, was)
local now = new
if applied or (rebuild and new.inc == was.inc and new.seq == was.seq) then
  redis.call('SET', KEYS[1], ARGV[2])
elseif rebuild then
  now = was
else
  return {0, unpack(dropped)}
end

if was then
  leave(was, KEYS[3], id)
  if was.claim ~= '' and was.claim ~= now.claim and held_by(KEYS[2]) == was.claim then
    redis.call('DEL', KEYS[2])
  end
end
enter(now, KEYS[3], id)
return {applied and 1 or 0, unpack(dropped)}
