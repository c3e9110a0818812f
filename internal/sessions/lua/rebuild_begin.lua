-- Takes the rebuild lock. Who has it already, because the question is run
-- twice, has it still.
--
-- KEYS[1]  the lock
-- KEYS[2]  the epoch
-- ARGV[1]  the rebuilder's token
-- ARGV[2]  ttl of the lock in milliseconds
-- ARGV[3]  the incarnation the rebuilder reads
--
-- Returns "taken", "busy", or "old" when the epoch is of a newer incarnation;
-- then the kinds of what was dropped.
if expect('epoch', KEYS[2], 'string') then
  local ok, epoch = pcall(cjson.decode, redis.call('GET', KEYS[2]))
  if not ok or type(epoch) ~= 'table' or type(epoch.incarnation) ~= 'string' then
    drop('epoch', KEYS[2])
  elseif epoch.incarnation > ARGV[3] then
    return {'old', unpack(dropped)}
  end
end
-- A lock that would never end is damaged: nobody could rebuild ever again.
if expect('lock', KEYS[1], 'string') then
  if redis.call('PTTL', KEYS[1]) == -1 then
    drop('lock', KEYS[1])
  elseif redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return {'busy', unpack(dropped)}
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'taken', unpack(dropped)}
