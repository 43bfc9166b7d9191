-- Adds jobs unless the same was asked for already.
-- KEYS: stream, delayed, wake, per job that has a unique key that and the line of its instance; shares, share, lines.
-- ARGV: how many jobs a line takes, then per job its body, index of its unique key in KEYS (0: it has none), claim, life of
--   the claim in ms, delay in ms.
-- Answers per job: '' when added, '!' when the line is full, else the claim that was there first.
local answer, most, share = {}, tonumber(ARGV[1]), nil
local shares, lines = KEYS[#KEYS - 2], KEYS[#KEYS]

-- Into the stream, or into the line of its instance; whether there was room.
local function add(body, line)
  local instance = string.sub(line, -36)
  share = share or share_of(KEYS[#KEYS - 1])
  if redis.call('HINCRBY', shares, instance, 1) <= share then
    redis.call('XADD', KEYS[1], '*', 'e', body)
    return true
  end
  redis.call('HINCRBY', shares, instance, -1)
  if redis.call('LLEN', line) >= most then
    return false
  end
  if redis.call('RPUSH', line, body) == 1 then
    redis.call('ZADD', lines, 'NX', now_ms(), instance)
  end
  return true
end

for i = 2, #ARGV, 5 do
  local body, k, claim, life, delay = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local first = k > 0 and redis.call('GET', KEYS[k])
  if not first then
    first = ''
    if delay > 0 then
      schedule(KEYS[2], KEYS[3], body, delay)
      if k > 0 then
        redis.call('HINCRBY', shares, string.sub(KEYS[k + 1], -36), 1)
      end
    elseif k == 0 then
      redis.call('XADD', KEYS[1], '*', 'e', body)
    elseif not add(body, KEYS[k + 1]) then
      first = '!'
    end
    if k > 0 and first == '' then
      redis.call('SET', KEYS[k], claim, 'PX', life)
    end
  elseif string.sub(first, 1, 36) == string.sub(claim, 1, 36) then
    first = '' -- the same request, sent again after a broken connection
  end
  answer[#answer + 1] = first
end
return answer
