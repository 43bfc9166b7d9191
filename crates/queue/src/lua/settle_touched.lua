-- Removes what was looked at. What was touched since it was read rests, to be looked at once more.
-- KEYS: touched set, counts, looks, resting, traces. ARGV: when it was read in ms, rest in ms, how many traces were read, id, count and mark, id, ..
-- Answers how many are left in this lane, and how many of the instance rest.
local read, rest = tonumber(ARGV[1]), tonumber(ARGV[2])
if ARGV[3] ~= '0' then
  redis.call('LTRIM', KEYS[5], ARGV[3], -1)
end
for i = 4, #ARGV, 2 do
  local id, seen = ARGV[i], ARGV[i + 1]
  if (redis.call('HGET', KEYS[2], id) or '0:') ~= seen then
    redis.call('ZADD', KEYS[4], 'GT', read + rest, id)
  end
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZADD', KEYS[3], 'GT', read, id)
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now_ms() - rest)
redis.call('PEXPIRE', KEYS[3], rest * 2)
return { redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[4]) }
