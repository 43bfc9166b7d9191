-- Puts deliveries of paused instances aside, each request once; in one step, so that a job is never in two places or none.
-- Nobody renews claims meanwhile, so a long pause outlives them and the same is asked for again: the later job takes the
-- place of the earlier one, with its claim.
-- KEYS: stream, paused, parked, shares, then per delivery its unique key and the parked jobs of its instance.
-- ARGV: group, consumer, then per delivery entry, job id, instance, body, claim ('': it has none), life of the
-- claim in ms.
-- Answers how many were parked.
local stream, paused, parked = KEYS[1], KEYS[2], KEYS[3]
local count, k = 0, 5
for i = 3, #ARGV, 6 do
  local entry, job, instance, body, claim, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local unique, jobs = KEYS[k], KEYS[k + 1]
  if owned(stream, ARGV[1], ARGV[2], entry) then
    local is_still, ends = is_paused(paused, instance)
    local first = holder(unique)
    local is_overtaken = first and first ~= job
    if not is_still and not is_overtaken then
      redis.call('XADD', stream, '*', 'e', body) -- resumed at this very moment
    elseif not is_overtaken then
      local is_new = redis.call('HSET', jobs, unique, body) == 1
      redis.call('ZADD', parked, ends == 0 and '+inf' or ends, instance)
      if claim ~= '' then
        redis.call('SET', unique, claim, 'PX', life)
        if not is_new then
          freed(KEYS[4], instance, 1)
        end
      end
      count = count + 1
    elseif claim ~= '' then
      freed(KEYS[4], instance, 1)
    end
    redis.call('XACK', stream, ARGV[1], entry)
    redis.call('XDEL', stream, entry)
  end
  k = k + 2
end
return count
