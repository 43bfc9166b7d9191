-- Settles deliveries. Each outcome is applied once, however often it is sent; what must not happen twice (a retry, a next
-- page, a dead letter) is done only by the consumer that holds the entry, or while the entry is still pending.
-- KEYS: stream, delayed, dead, wake, then unique keys and running marks as the records say.
-- ARGV: group, consumer, lease in ms, dead letters kept, then records of 10:
--   verb, entry, job id, mode ('-' none, 'p', 'u'), index of the unique key (the running mark follows it), a, b, c, d, e
-- Answers the entries whose outcome came too late.
local stream, group, me, lease = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local late, gone = {}, {}

local function remove(entry)
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
end

-- Gives back what the job holds; never what another job holds.
local function release(job, mode, k)
  if mode == 'u' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k])
  elseif mode == 'p' and redis.call('GET', KEYS[k + 1]) == job then
    redis.call('DEL', KEYS[k + 1])
  end
end

local verbs = {}

-- A late "done" of a former owner is still true, so nobody is asked who holds the entry.
function verbs.done(entry, job, mode, k)
  gone[#gone + 1] = entry
  release(job, mode, k)
end

-- It did not run and holds nothing.
function verbs.drop(entry)
  gone[#gone + 1] = entry
end

-- a: body, b: claim, c: life of the claim in ms, d: mode, e: index of the unique key of the job that follows
function verbs.next(entry, job, mode, k, body, claim, life, _, e)
  local found = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  if found.err or #found == 0 then
    late[#late + 1] = entry
    return
  end
  local first = mode == 'u' and holder(KEYS[k])
  if not first or first == job then
    release(job, mode, k)
    if redis.call('SET', KEYS[tonumber(e)], claim, 'NX', 'PX', life) then
      redis.call('XADD', stream, '*', 'e', body)
    end
  end
  remove(entry)
end

-- a: body, b: delay in ms, c: claim, d: life of the claim in ms
function verbs.later(entry, job, mode, k, body, delay, claim, life)
  if not owned(stream, group, me, entry) then
    late[#late + 1] = entry
    return
  end
  local first = mode == 'u' and holder(KEYS[k])
  if not first or first == job then
    schedule(KEYS[2], KEYS[4], body, delay)
    if mode == 'p' then
      release(job, mode, k)
    end
    -- In mode 'p' this takes the key from a copy that was asked for meanwhile: that one finds itself overtaken, and backoff
    -- and count of attempts stay those of the job that failed.
    if mode ~= '-' then
      redis.call('SET', KEYS[k], claim, 'PX', life + delay)
    end
  end
  remove(entry)
end

-- The same request runs elsewhere: wait for its end, unless another job waits for that already.
-- a: body, b: delay in ms, c: claim, d: life of the claim in ms
function verbs.wait(entry, job, _, k, body, delay, claim, life)
  local first = holder(KEYS[k])
  if first and first ~= job then
    gone[#gone + 1] = entry
  elseif owned(stream, group, me, entry) then
    schedule(KEYS[2], KEYS[4], body, delay)
    redis.call('SET', KEYS[k], claim, 'PX', life + delay)
    remove(entry)
  end
end

-- a: body, b: reason, c: deliveries
function verbs.dead(entry, job, mode, k, body, reason, deliveries)
  if not owned(stream, group, me, entry) then
    late[#late + 1] = entry
    return
  end
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'e', body, 'reason', reason, 'deliveries', deliveries, 'worker', me)
  release(job, mode, k)
  if mode == 'p' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k]) -- it died before it ever started
  end
  remove(entry)
end

-- Due for anybody's next rescue, at the head of the line. a: deliveries counted so far
function verbs.back(entry, _, _, _, deliveries)
  if owned(stream, group, me, entry) then
    redis.call('XCLAIM', stream, group, me, 0, entry, 'IDLE', lease + 1, 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end

for i = 5, #ARGV, 10 do
  verbs[ARGV[i]](ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), ARGV[i + 5], ARGV[i + 6], ARGV[i + 7],
    ARGV[i + 8], ARGV[i + 9])
end
if #gone > 0 then
  redis.call('XACK', stream, group, unpack(gone))
  redis.call('XDEL', stream, unpack(gone))
end
return late
