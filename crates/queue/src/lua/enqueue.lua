-- Adds jobs unless the same was asked for already.
-- KEYS: stream, delayed, wake, one unique key per job that has one.
-- ARGV: per job its body, index in KEYS, claim, life of the claim in ms, delay in ms.
-- Answers per job: '' when added, else the claim that was there first.
local answer = {}
for i = 1, #ARGV, 5 do
  local body, key, claim, life, delay = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local first = redis.call('GET', key)
  if not first then
    redis.call('SET', key, claim, 'PX', life)
    if delay > 0 then
      schedule(KEYS[2], KEYS[3], body, delay)
    else
      redis.call('XADD', KEYS[1], '*', 'e', body)
    end
    first = ''
  elseif string.sub(first, 1, 36) == string.sub(claim, 1, 36) then
    first = '' -- the same request, sent again after a broken connection
  end
  answer[#answer + 1] = first
end
return answer
