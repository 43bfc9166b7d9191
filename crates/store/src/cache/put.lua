-- Puts an entry in the place of the lease under which it was read, if that still stands. Constant time.
-- KEYS: the entry. ARGV: the lease, the entry, how long it lasts in ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
