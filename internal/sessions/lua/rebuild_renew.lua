-- Prolongs the rebuild lock. It is never taken anew here: a lock that is gone
-- means that Redis has lost what was rebuilt so far.
--
-- KEYS[1]  the lock
-- ARGV[1]  the rebuilder's token
-- ARGV[2]  ttl in milliseconds
--
-- Returns 1 when the lock is still the rebuilder's, else 0.
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
