-- Touches issues and asks for a look at each lane unless that waits already.
-- KEYS: stream, then per lane its unique key, touched set and counts; shares.
-- ARGV: now in ms, mark of this touch, instance, then per lane the job's body, its claim, the claim's life in ms, n, n issue ids.
local now, mark = ARGV[1], ARGV[2]
local i, k = 4, 2
while i <= #ARGV do
  local body, claim, life, n = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local unique, set, counts = KEYS[k], KEYS[k + 1], KEYS[k + 2]
  for j = i + 4, i + 3 + n do
    redis.call('ZADD', set, 'NX', now, ARGV[j])
    local before = redis.call('HGET', counts, ARGV[j])
    local count = before and tonumber(string.match(before, '^%d+')) or 0
    redis.call('HSET', counts, ARGV[j], (count + 1) .. ':' .. mark)
  end
  if redis.call('SET', unique, claim, 'NX', 'PX', life) then
    redis.call('XADD', KEYS[1], '*', 'e', body)
    redis.call('HINCRBY', KEYS[#KEYS], ARGV[3], 1)
  end
  i, k = i + 4 + n, k + 3
end
return 1
