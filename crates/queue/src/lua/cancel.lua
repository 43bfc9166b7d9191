-- Remembers that a job was called off, for whoever starts or holds it.
-- KEYS: cancelled, control. ARGV: job id, for how long in ms, a fresh mark, how many are remembered at most.
-- Answers 0 when too many are remembered already.
local now = now_ms()
for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[1], job)
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
return 1
