-- Writes the epoch and gives the lock back, if nothing was lost since the lock
-- was taken. Run twice, it finds its own epoch the second time.
--
-- KEYS[1]  the lock
-- KEYS[2]  the epoch
-- ARGV[1]  the rebuilder's token
-- ARGV[2]  the epoch's text
--
-- Returns 1 when the epoch is the rebuilder's, else 0.
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[2], ARGV[2])
  redis.call('DEL', KEYS[1])
  return 1
end
if redis.call('TYPE', KEYS[2]).ok == 'string' and redis.call('GET', KEYS[2]) == ARGV[2] then
  return 1
end
return 0
