-- Shared by the scripts that follow: what several of them do in the same way.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A claim names the job that won it in its first 36 characters.
local function holder(key)
  local claim = redis.call('GET', key)
  return claim and string.sub(claim, 1, 36)
end

-- Redis' own clock decides when something is due, so that all pods agree. The wake list ends the janitors' sleep when
-- something is due before everything else; it never holds more than one element and expires when nobody listens.
local function schedule(delayed, wake, body, delay)
  redis.call('ZADD', delayed, now_ms() + delay, body)
  if redis.call('ZRANGE', delayed, 0, 0)[1] == body and redis.call('LLEN', wake) == 0 then
    redis.call('RPUSH', wake, 1)
    redis.call('PEXPIRE', wake, 5000)
  end
end

-- Makes a delayed job due at once; whether it was there.
local function hasten(delayed, stream, body)
  if redis.call('ZREM', delayed, body) == 0 then
    return false
  end
  redis.call('XADD', stream, '*', 'e', body)
  return true
end

-- Fairness: each instance has a share, that many jobs out of its own line and not ended. What it asks for beyond that waits
-- in its line, and each end lets the next one out. So whoever asks for little stands behind one share of each of the others
-- and never behind all that they asked for.
local function share_of(key)
  return tonumber(redis.call('GET', key) or 1000)
end

-- Jobs of an instance that ended or were dropped. Answers how many are left.
local function freed(shares, instance, count)
  local left = redis.call('HINCRBY', shares, instance, -count)
  if left <= 0 then
    redis.call('HDEL', shares, instance)
    left = 0
  end
  return left
end

-- Lets jobs out of the line of an instance.
local function feed(stream, lines, shares, line, instance, count)
  local bodies = redis.call('LPOP', line, count)
  if bodies then
    for _, body in ipairs(bodies) do
      redis.call('XADD', stream, '*', 'e', body)
    end
    redis.call('HINCRBY', shares, instance, #bodies)
  end
  if redis.call('EXISTS', line) == 0 then
    redis.call('ZREM', lines, instance)
  end
end

-- Whether the queue ('*') or an instance is paused. A pause begins with the time at which it ends by itself, 0 for never.
local function is_paused(paused, who)
  local pause = redis.call('HGET', paused, who)
  local ends = pause and tonumber(string.match(pause, '^%d+'))
  return ends and (ends == 0 or ends > now_ms()), ends
end

-- Whether an entry is delivered to this consumer and not settled. The group may be gone (FLUSHALL): then nothing is.
local function owned(stream, group, consumer, entry)
  local found = redis.pcall('XPENDING', stream, group, entry, entry, 1, consumer)
  return not found.err and #found == 1
end

