-- Removes what was not touched since it was read; what was goes to the back of the line.
-- KEYS: touched set, counts. ARGV: id, count and mark, id, .. Answers how many are left.
local now = now_ms()
for i = 1, #ARGV, 2 do
  local id, seen = ARGV[i], ARGV[i + 1]
  if (redis.call('HGET', KEYS[2], id) or '0:') == seen then
    redis.call('ZREM', KEYS[1], id)
    redis.call('HDEL', KEYS[2], id)
  else
    redis.call('ZADD', KEYS[1], 'XX', now, id)
  end
end
return redis.call('ZCARD', KEYS[1])
