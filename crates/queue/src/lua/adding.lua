
-- Adds jobs unless the same was asked for already. For scripts whose KEYS begin with stream, delayed, wake and end with
-- shares, share, lines.
local shares, lines, share = KEYS[#KEYS - 2], KEYS[#KEYS], nil

-- Into the stream, or into the line of its instance, which takes `most`; whether there was room.
local function add(body, line, most)
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

-- k: index of its unique key in KEYS, which the line of its instance follows (0: it has none); life of the claim and delay
-- in ms. Answers '' when added, '!' when the line is full, else the claim that was there first.
local function ask(body, k, claim, life, delay, most)
  local first = k > 0 and redis.call('GET', KEYS[k])
  if first then
    if string.sub(first, 1, 36) == string.sub(claim, 1, 36) then
      return '' -- the same request, sent again after a broken connection; one that started meanwhile is there twice then
    end
    return first
  end
  if delay > 0 then
    schedule(KEYS[2], KEYS[3], body, delay)
    if k > 0 then
      redis.call('HINCRBY', shares, string.sub(KEYS[k + 1], -36), 1)
    end
  elseif k == 0 then
    redis.call('XADD', KEYS[1], '*', 'e', body)
  elseif not add(body, KEYS[k + 1], most) then
    return '!'
  end
  if k > 0 then
    redis.call('SET', KEYS[k], claim, 'PX', life)
  end
  return ''
end
