-- Puts parked jobs of an instance back into the line unless it is paused again.
-- KEYS: stream, paused, parked, the parked jobs of the instance, shares, then unique keys.
-- ARGV: instance, then per job its body as it was read, its id, claim, life of the claim in ms; of a job that has
-- none, or that only newer versions know, just its body.
-- Answers how many are still parked.
local instance, jobs = ARGV[1], KEYS[4]
local is_again, ends = is_paused(KEYS[2], instance)
if is_again then
  redis.call('ZADD', KEYS[3], 'XX', ends == 0 and '+inf' or ends, instance)
  return 0
end
local k = 6
for i = 2, #ARGV, 4 do
  local body, job, claim, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if redis.call('HGET', jobs, KEYS[k]) == body then
    redis.call('HDEL', jobs, KEYS[k])
    local first = holder(KEYS[k])
    if job == '' then
      redis.call('XADD', KEYS[1], '*', 'e', body)
    elseif not first or first == job then
      redis.call('SET', KEYS[k], claim, 'PX', life)
      redis.call('XADD', KEYS[1], '*', 'e', body)
    else
      freed(KEYS[5], instance, 1)
    end
  end
  k = k + 1
end
local left = redis.call('HLEN', jobs)
if left == 0 then
  redis.call('ZREM', KEYS[3], instance)
end
return left
