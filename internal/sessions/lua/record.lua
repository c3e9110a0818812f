-- What the scripts share; it stands before each of them. Every key a script
-- touches carries the tenant's tag, so all of them are in one cluster slot,
-- also those whose names are only found in a record.
--
-- A record is the JSON that record.go writes:
--   inc     incarnation, text that sorts as the time does
--   seq     sequence, 20 digits, so that it sorts as text too and stays exact
--   queued  whether the agent belongs into the ready queues of its groups
--   groups  hunt groups
--   score   place in the queues: microseconds as decimal text
--   claim   the call that holds the agent, or empty
-- Both texts consist of digits and fixed separators at fixed places, so the
-- order is the same in every locale Redis may run in.

-- What was found damaged and dropped, by kind; reported to the caller.
local dropped = {}

-- drop removes a key that cannot be what it should be.
local function drop(kind, key)
  redis.call('DEL', key)
  dropped[#dropped + 1] = kind
end

-- expect drops the key unless it is of the wanted type or does not exist, and
-- says whether it exists.
local function expect(kind, key, want)
  local is = redis.call('TYPE', key).ok
  if is == want then
    return true
  end
  if is ~= 'none' then
    drop(kind, key)
  end
  return false
end

-- parse returns the record in a text, or nil when it is none.
local function parse(text)
  local ok, r = pcall(cjson.decode, text)
  if not ok or type(r) ~= 'table' or type(r.inc) ~= 'string' or #r.inc ~= 30
      or type(r.seq) ~= 'string' or not string.match(r.seq, '^%d+$') or #r.seq ~= 20
      or type(r.queued) ~= 'boolean' or type(r.groups) ~= 'table'
      or type(r.score) ~= 'string' or not string.match(r.score, '^%-?%d+$')
      or type(r.claim) ~= 'string' then
    return nil
  end
  for _, group in ipairs(r.groups) do
    if type(group) ~= 'string' then
      return nil
    end
  end
  return r
end

-- load returns the record at key; one that is damaged is dropped.
local function load(key)
  if not expect('agent', key, 'string') then
    return nil
  end
  local r = parse(redis.call('GET', key))
  if not r then
    drop('agent', key)
  end
  return r
end

-- later: does the event (inc, seq) come after the record's?
local function later(inc, seq, r)
  if inc ~= r.inc then
    return inc > r.inc
  end
  return seq > r.seq
end

-- waits: does the record say that its agent waits in the group's queue?
local function waits(r, group)
  if r and r.queued then
    for _, g in ipairs(r.groups) do
      if g == group then
        return true
      end
    end
  end
  return false
end

-- leave takes the agent out of the queues of the record's groups.
local function leave(r, prefix, id)
  for _, group in ipairs(r.groups) do
    if expect('ready', prefix .. group, 'zset') then
      redis.call('ZREM', prefix .. group, id)
    end
  end
end

-- enter puts the agent into the queues it belongs into.
local function enter(r, prefix, id)
  if r.queued then
    for _, group in ipairs(r.groups) do
      expect('ready', prefix .. group, 'zset')
      redis.call('ZADD', prefix .. group, r.score, id)
    end
  end
end

-- held_by returns the call whose hint is at key, or nil. A hint that would
-- never end is damaged: no agent may be passed over for ever.
local function held_by(key)
  if not expect('hint', key, 'string') then
    return nil
  end
  if redis.call('PTTL', key) == -1 then
    drop('hint', key)
    return nil
  end
  return redis.call('GET', key)
end
