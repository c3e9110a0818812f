-- The lock of whoever rebuilds, and the epoch that a whole rebuild writes. Each
-- of these may be run twice.
--
-- KEYS[1]  the lock
-- KEYS[2]  the epoch
-- ARGV[1]  what to do:
--          take    the lock, ARGV[3] milliseconds long, for one who reads
--                  incarnation ARGV[4]
--          keep    it for ARGV[3] milliseconds more; never taken anew here,
--                  because a lock that is gone means that Redis has lost what
--                  was rebuilt so far
--          finish  write the epoch ARGV[3] and give the lock back
--          leave   give the lock back
-- ARGV[2]  the rebuilder's token
--
-- Returns "mine", "busy", "lost", or "old" when the epoch is of a newer
-- incarnation; then the kinds of what was dropped.
local verb, token = ARGV[1], ARGV[2]
if verb == 'take' then
  if expect('epoch', KEYS[2], 'string') then
    local ok, epoch = pcall(cjson.decode, redis.call('GET', KEYS[2]))
    if not ok or type(epoch) ~= 'table' or type(epoch.incarnation) ~= 'string' then
      drop('epoch', KEYS[2])
    elseif epoch.incarnation > ARGV[4] then
      return {'old', unpack(dropped)}
    end
  end
  -- A lock that would never end is damaged: nobody could rebuild ever again.
  if expect('lock', KEYS[1], 'string') then
    if redis.call('PTTL', KEYS[1]) == -1 then
      drop('lock', KEYS[1])
    elseif redis.call('GET', KEYS[1]) ~= token then
      return {'busy', unpack(dropped)}
    end
  end
  redis.call('SET', KEYS[1], token, 'PX', ARGV[3])
  return {'mine', unpack(dropped)}
end

local function holds(key, text)
  return redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) == text
end

if not holds(KEYS[1], token) then
  return {(verb == 'finish' and holds(KEYS[2], ARGV[3])) and 'mine' or 'lost'}
elseif verb == 'keep' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'mine'}
elseif verb == 'finish' then
  redis.call('SET', KEYS[2], ARGV[3])
end
redis.call('DEL', KEYS[1])
return {'mine'}
