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

-- Whether an entry is delivered to this consumer and not settled. The group may be gone (FLUSHALL): then nothing is.
local function owned(stream, group, consumer, entry)
  local found = redis.pcall('XPENDING', stream, group, entry, entry, 1, consumer)
  return not found.err and #found == 1
end

