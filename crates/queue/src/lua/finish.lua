-- Settles deliveries. Each outcome is applied once, however often it is sent; what must not happen twice (a retry, a next
-- page, a dead letter) is done only by the consumer that holds the entry, or while the entry is still pending.
-- KEYS: stream, delayed, dead, wake, then three per good end (its unique key, running mark and line), then unique keys,
--   running marks and lines as the records say; how many dead letters were dropped, shares, share, lines, cancelled.
-- ARGV: group, consumer, lease in ms, dead letters kept, how many ended well and hold something, two for each of these (its
--   entry; its mode followed by its job id), then records of 10, of 5 for the verbs done, drop and cancel:
--   verb, entry, job id, mode ('-' none, 'p', 'u'), index of the unique key (its running mark and its line follow), a, b, c, d, e
-- Answers the entries whose outcome came too late.
local stream, group, me, lease = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local late, gone, gone_lines = {}, {}, {}
local shares, share, lines = KEYS[#KEYS - 3], KEYS[#KEYS - 2], KEYS[#KEYS - 1]
local is_counted, ended = false, {}

-- One job of an instance less, if it was this that took it from the stream.
local function count(deleted, line)
  if deleted == 1 and line then
    ended[line] = (ended[line] or 0) + 1
  end
end

-- Jobs without a unique key are not counted.
local function line_of(mode, k)
  return mode ~= '-' and KEYS[k + 2]
end

local function go(entry, mode, k)
  gone[#gone + 1] = entry
  gone_lines[#gone] = line_of(mode, k)
  is_counted = is_counted or gone_lines[#gone]
end

-- Removes what goes on elsewhere, or what ends, of which the line is given.
local function remove(entry, line)
  redis.call('XACK', stream, group, entry)
  count(redis.call('XDEL', stream, entry), line)
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
  go(entry, mode, k)
  release(job, mode, k)
end

-- It was called off, before it started or while it ran.
function verbs.cancel(entry, job, mode, k)
  verbs.done(entry, job, mode, k)
  if mode == 'p' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k])
  end
end

-- It did not run and holds nothing.
function verbs.drop(entry, _, mode, k)
  go(entry, mode, k)
end

-- a: body, b: claim, c: life of the claim in ms, d: mode, e: index of the unique key of the job that follows
function verbs.next(entry, job, mode, k, body, claim, life, next_mode, e)
  local found = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  if found.err or #found == 0 then
    late[#late + 1] = entry
    return
  end
  local first = mode == 'u' and holder(KEYS[k])
  local ends = line_of(mode, k)
  if not first or first == job then
    release(job, mode, k)
    if next_mode == '-' or redis.call('SET', KEYS[tonumber(e)], claim, 'NX', 'PX', life) then
      redis.call('XADD', stream, '*', 'e', body)
      ends = nil -- the page takes its place
    end
  end
  remove(entry, ends)
end

-- a: body, b: delay in ms, c: claim, d: life of the claim in ms
function verbs.later(entry, job, mode, k, body, delay, claim, life)
  if not owned(stream, group, me, entry) then
    late[#late + 1] = entry
    return
  end
  local first = mode == 'u' and holder(KEYS[k])
  local ends = line_of(mode, k)
  if not first or first == job then
    ends = nil
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
  remove(entry, ends)
end

-- The same request runs elsewhere: wait for its end, unless another job waits for that already.
-- a: body, b: delay in ms, c: claim, d: life of the claim in ms
function verbs.wait(entry, job, mode, k, body, delay, claim, life)
  local first = holder(KEYS[k])
  if first and first ~= job then
    go(entry, mode, k)
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
  local before = redis.call('XLEN', KEYS[3])
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'e', body, 'reason', reason, 'deliveries', deliveries, 'worker', me)
  local dropped = before + 1 - redis.call('XLEN', KEYS[3])
  if dropped > 0 then
    redis.call('INCRBY', KEYS[#KEYS - 4], dropped)
  end
  release(job, mode, k)
  if mode == 'p' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k]) -- it died before it ever started
  end
  remove(entry, line_of(mode, k))
end

-- Due for anybody's next rescue, at the head of the line. a: deliveries counted so far
function verbs.back(entry, _, _, _, deliveries)
  if owned(stream, group, me, entry) then
    redis.call('XCLAIM', stream, group, me, 0, entry, 'IDLE', lease + 1, 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end

-- What was called off is neither put off nor followed by a next page, even when that reached its run too late.
local ends = { next = true, later = true, wait = true }
local cancelled = redis.call('EXISTS', KEYS[#KEYS]) == 1
local short = { done = true, drop = true, cancel = true }
-- Good ends are most of all: what they hold is looked at and given back by one command each, not one per job.
local i, good = 6, tonumber(ARGV[5])
if good > 0 then
  local holds, free = {}, {}
  for j = 0, good - 1 do
    local is_pending = string.sub(ARGV[i + 2 * j + 1], 1, 1) == 'p'
    holds[#holds + 1] = KEYS[5 + 3 * j + (is_pending and 1 or 0)]
  end
  local holders = redis.call('MGET', unpack(holds))
  for j = 0, good - 1 do
    gone[#gone + 1] = ARGV[i + 2 * j]
    gone_lines[#gone] = KEYS[7 + 3 * j]
    if holders[j + 1] and string.sub(holders[j + 1], 1, 36) == string.sub(ARGV[i + 2 * j + 1], 2) then
      free[#free + 1] = holds[j + 1]
    end
  end
  if #free > 0 then
    redis.call('DEL', unpack(free))
  end
  is_counted, i = true, i + 2 * good
end
while i <= #ARGV do
  local verb = ARGV[i]
  local after = i + (short[verb] and 5 or 10)
  if cancelled and ends[verb] and redis.call('ZSCORE', KEYS[#KEYS], ARGV[i + 2]) then
    verb = 'cancel'
  end
  verbs[verb](ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), ARGV[i + 5], ARGV[i + 6], ARGV[i + 7],
    ARGV[i + 8], ARGV[i + 9])
  i = after
end
if #gone > 0 then
  -- What was pending is in the stream: then all can be deleted at once, and each counts.
  if redis.call('XACK', stream, group, unpack(gone)) == #gone or not is_counted then
    redis.call('XDEL', stream, unpack(gone))
    for j = 1, #gone do
      count(1, gone_lines[j])
    end
  else
    for j, entry in ipairs(gone) do
      count(redis.call('XDEL', stream, entry), gone_lines[j])
    end
  end
end
-- The shares of all instances in a few commands, not some for each.
local of_lines, instances = {}, {}
for line in pairs(ended) do
  of_lines[#of_lines + 1] = line
  instances[#instances + 1] = string.sub(line, -36)
end
if #instances > 0 then
  local held, kept, none = redis.call('HMGET', shares, unpack(instances)), {}, {}
  for i, instance in ipairs(instances) do
    local left = math.max(0, (tonumber(held[i]) or 0) - ended[of_lines[i]])
    held[i] = left
    if left > 0 then
      kept[#kept + 1] = instance
      kept[#kept + 1] = left
    else
      none[#none + 1] = instance
    end
  end
  if #kept > 0 then
    redis.call('HSET', shares, unpack(kept))
  end
  if #none > 0 then
    redis.call('HDEL', shares, unpack(none))
  end
  if redis.call('EXISTS', lines) == 1 then
    local most = share_of(share)
    for i, line in ipairs(of_lines) do
      local room = most - held[i]
      if room > 0 then
        feed(stream, lines, shares, line, instances[i], math.min(room, ended[line] + 1))
      end
    end
  end
end
return late
