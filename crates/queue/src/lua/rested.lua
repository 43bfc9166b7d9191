-- Reads the issues that have rested for long enough, without removing them.
-- KEYS: resting. ARGV: how many. Answers for how many ms the next one rests still, or -1, then the ids.
local clock = now_ms()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', clock, 'LIMIT', 0, ARGV[1])
local next = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. clock, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { next[2] and math.max(1, tonumber(next[2]) - clock) or -1, due }
