-- Lists the agents of a hunt group who may be offered a call, longest idle
-- first, without those somebody holds a hint for. A place in the queue counts
-- only with a record that agrees; one without is taken away and reported.
--
-- KEYS[1]  the ready queue
-- KEYS[2]  what the names of the tenant's agent records begin with
-- KEYS[3]  what the names of the tenant's hints begin with
-- ARGV[1]  the hunt group
-- ARGV[2]  how many at most, 1 or more
--
-- Returns a list of ids, then a list of the kinds of what was dropped.
local group, limit = ARGV[1], tonumber(ARGV[2])
local found, void, at = {}, {}, 0
if not expect('ready', KEYS[1], 'zset') then
  return {found, dropped}
end

while #found < limit do
  local ids = redis.call('ZRANGE', KEYS[1], at, at + 63)
  if #ids == 0 then
    break
  end
  at = at + #ids
  for _, id in ipairs(ids) do
    if #found == limit then
      break
    end
    if not waits(load(KEYS[2] .. id), group) then
      void[#void + 1] = id
    elseif not held_by(KEYS[3] .. id) then
      found[#found + 1] = id
    end
  end
end
for _, id in ipairs(void) do
  redis.call('ZREM', KEYS[1], id)
  dropped[#dropped + 1] = 'ready'
end
return {found, dropped}
