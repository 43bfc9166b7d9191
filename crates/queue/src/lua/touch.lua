-- Touches issues and asks for a look at each lane unless that waits already. What was looked at a moment ago rests first.
-- KEYS: stream, resting, then per lane its unique key, touched set, counts, looks and traces; shares.
-- ARGV: now in ms, mark of this touch, instance, rest in ms, trace parent or '', then per lane the job's body, its claim, the claim's life in
-- ms, n, n issue ids. Answers how many rest.
local now, mark, rest, clock = ARGV[1], ARGV[2], tonumber(ARGV[4]), now_ms()
local trace = ARGV[5]
local i, k, rested = 6, 3, 0
while i <= #ARGV do
  local body, claim, life, n = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local unique, set, counts, looks = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local waits = false
  for j = i + 4, i + 3 + n do
    local id = ARGV[j]
    local look = tonumber(redis.call('ZSCORE', looks, id) or 0)
    if look + rest > clock then
      redis.call('ZADD', KEYS[2], 'GT', look + rest, id)
      rested = rested + 1
    else
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZADD', set, 'NX', now, id)
      local before = redis.call('HGET', counts, id)
      local count = before and tonumber(string.match(before, '^%d+')) or 0
      redis.call('HSET', counts, id, (count + 1) .. ':' .. mark)
      waits = true
    end
  end
  -- Whoever looks next points at all that led to it: the last few, and not for long if nobody looks.
  if trace ~= '' then
    redis.call('RPUSH', KEYS[k + 4], trace)
    redis.call('LTRIM', KEYS[k + 4], -64, -1)
    redis.call('PEXPIRE', KEYS[k + 4], 600000)
  end
  if waits and redis.call('SET', unique, claim, 'NX', 'PX', life) then
    redis.call('XADD', KEYS[1], '*', 'e', body)
    redis.call('HINCRBY', KEYS[#KEYS], ARGV[3], 1)
  end
  i, k = i + 4 + n, k + 5
end
return rested
