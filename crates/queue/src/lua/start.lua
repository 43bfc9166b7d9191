-- Decides at the last moment whether deliveries may run.
-- KEYS: stream, then per delivery its unique key and its running mark.
-- ARGV: group, consumer, lease in ms, then per delivery entry, job id, mode, claim, life of the claim in ms.
-- Answers per delivery: run, lost (somebody else's by now), over (overtaken), busy (the same request runs elsewhere).
local answer, k = {}, 2
for i = 4, #ARGV, 5 do
  local entry, job, mode, claim, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local unique, running = KEYS[k], KEYS[k + 1]
  local first = holder(unique)
  local verdict = 'run'
  if not owned(KEYS[1], ARGV[1], ARGV[2], entry) then
    verdict = 'lost'
  elseif first and first ~= job then
    verdict = 'over'
  elseif mode == 'u' then
    redis.call('SET', unique, claim, 'PX', life)
  else
    local other = redis.call('GET', running)
    if other and other ~= job then
      verdict = 'busy'
    else
      redis.call('DEL', unique)
      redis.call('SET', running, job, 'PX', ARGV[3])
    end
  end
  answer[#answer + 1] = verdict
  k = k + 2
end
return answer
