-- Ends a pause; a janitor is woken to release what was parked.
-- KEYS: paused, parked, control, wake. ARGV: '*' or an instance, a fresh mark. Answers whether it was paused.
local ended = redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 'XX', 0, ARGV[1])
redis.call('SET', KEYS[3], ARGV[2])
if redis.call('LLEN', KEYS[4]) == 0 then
  redis.call('RPUSH', KEYS[4], 1)
  redis.call('PEXPIRE', KEYS[4], 5000)
end
return ended
