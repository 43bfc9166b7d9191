-- The entry under a key; where there is none, the lease on it, a new one if nobody holds any. Constant time.
-- KEYS: the entry. ARGV: a token that nobody used before, how long a lease lasts in ms.
-- An entry begins with '=', a lease with '?'.
local found = redis.call('GET', KEYS[1])
if found then
  return found
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
