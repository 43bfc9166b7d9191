-- Moves what is due from the delayed jobs to the ready ones.
-- KEYS: delayed, stream. ARGV: how many at most. Answers: how many were moved, ms until the next is due (-1: none waits).
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, body in ipairs(due) do
  redis.call('XADD', KEYS[2], '*', 'e', body)
end
-- They are the first of all: told by rank, nobody copies them once more.
if #due > 0 then
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, #due - 1)
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { #due, next[2] and math.max(0, next[2] - now) or -1 }
