-- Takes one slot of an account's budget, or says when to ask again, as
-- Budget.Take does. All times are microseconds; the clock is Redis' own.
--
-- KEYS[1]  the account: a hash of next, the first slot that nobody has taken,
--          and of w<class>, until when somebody of that class waits
-- ARGV[1]  between two slots
-- ARGV[2]  the class: 0 dial, 1 check, 2 poll
-- ARGV[3]  for how long from now all slots are taken as far as the asker knows
-- ARGV[4]  how far ahead a dial takes its slot
-- ARGV[5]  how long one who was sent away counts as waiting after its moment
--
-- Returns 1 or 0 for granted, how long to wait, and for how long from now all
-- slots are taken.
local every, class, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local horizon, grace = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  redis.call('DEL', KEYS[1])
end
local kept = redis.call('HMGET', KEYS[1], 'next', 'w1', 'w2')
-- What a clock that was set back has left must not hold the account up.
local next = tonumber(kept[1]) or 0
local slot = now + math.min(math.max(next - now, ahead, 0), horizon + every)
local free, reach = slot, class == 0 and horizon or 0
for above = 1, class - 1 do
  local waits = math.min(tonumber(kept[above + 1]) or 0, now + 2 * horizon)
  free = math.max(free, waits)
end

local function keep(field, at)
  redis.call('HSET', KEYS[1], field, string.format('%.0f', at))
  redis.call('PEXPIRE', KEYS[1], 60000)
end
if free - now > reach then
  keep('w' .. class, free + grace)
  return {0, free - now, slot - now}
end
keep('next', slot + every)
return {1, free - now, slot + every - now}
