-- Deletes a key if it holds the given text: a hint by its call, the rebuild
-- lock by its token. Run twice, it finds nothing the second time.
--
-- KEYS[1]  the hint or the lock
-- ARGV[1]  the text
--
-- Returns 1 when it was deleted, else 0.
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
