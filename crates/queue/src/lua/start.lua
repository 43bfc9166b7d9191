-- Decides at the last moment whether deliveries may run.
-- KEYS: stream, then per delivery its unique key and its running mark; paused, cancelled.
-- ARGV: group, consumer, lease in ms, 1 when all are certainly this consumer's (delivered a moment ago), then per delivery entry, job id, mode, claim, life of the claim in ms, instance.
-- Answers per delivery: run, lost (somebody else's by now), over (overtaken), busy (the same request runs elsewhere),
-- cancelled, halted (the queue is paused), parked (the instance is).
local answer, k = {}, 2
local paused, cancelled = KEYS[#KEYS - 1], KEYS[#KEYS]
local controlled = redis.call('EXISTS', paused, cancelled) > 0
local halted = controlled and is_paused(paused, '*')
local trusted = ARGV[4] == '1'
for i = 5, #ARGV, 6 do
  local entry, job, mode, claim, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local unique, running = KEYS[k], KEYS[k + 1]
  local first = mode ~= '-' and holder(unique)
  local verdict = 'run'
  if not trusted and not owned(KEYS[1], ARGV[1], ARGV[2], entry) then
    verdict = 'lost'
  elseif first and first ~= job then
    verdict = 'over'
  elseif controlled and redis.call('ZSCORE', cancelled, job) then
    verdict = 'cancelled'
  elseif halted then
    verdict = 'halted'
  elseif controlled and is_paused(paused, ARGV[i + 5]) then
    verdict = 'parked'
  elseif mode == 'u' then
    redis.call('SET', unique, claim, 'PX', life)
  elseif mode == 'p' then
    -- Seldom anybody's; perhaps our own, from a delivery that was lost.
    local free = redis.call('SET', running, job, 'NX', 'PX', ARGV[3])
    if not free and redis.call('GET', running) == job then
      free = redis.call('PEXPIRE', running, ARGV[3])
    end
    if free then
      if first then
        redis.call('DEL', unique)
      end
    else
      verdict = 'busy'
    end
  end
  answer[#answer + 1] = verdict
  k = k + 2
end
return answer
