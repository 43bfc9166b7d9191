-- Settles deliveries. Each outcome is applied once, however often it is sent; what must not happen twice (a retry, a next
-- page, a dead letter) is done only by the consumer that holds the entry, or while the entry is still pending.
-- KEYS: stream, delayed, dead, wake, runs, how many dead letters were dropped, shares, share, lines, cancelled, waiting; the
--   unique keys of what ended well; the lines of these, in the same order, one for each run of them that has the same; then unique
--   keys and lines as the records say.
-- ARGV: group, consumer, lease in ms, dead letters kept, how many of mode 'p' ended well, how many of mode 'u' after these,
--   how many runs of lines, the length of each; the entries of what ended well, its jobs; then records of 10, of 5 for the
--   verbs drop and cancel: verb, entry, job id, mode ('-' none, 'p', 'u'), index of the unique key (its line follows),
--   a, b, c, d, e
-- Answers the entries whose outcome came too late.
local stream, group, me, lease = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local late, gone, gone_lines = {}, {}, {}
local runs, dropped, shares, share, lines, cancelled = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local delayed, waiting = KEYS[2], KEYS[11]
local is_counted, ended = false, {}

-- One job of an instance less, if it was this that took it from the stream.
local function count(deleted, line)
  if deleted == 1 and line then
    ended[line] = (ended[line] or 0) + 1
  end
end

-- Jobs without a unique key are not counted.
local function line_of(mode, k)
  return mode ~= '-' and KEYS[k + 1]
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

-- A run has ended: the copy that waits for that is due now, unless it went on since and put itself off until another time.
-- `noted` is until when it waits, and its body.
local function end_wait(unique, noted)
  if not noted then
    return
  end
  redis.call('HDEL', waiting, unique)
  local due, body = string.match(noted, '^(%S+) (.*)$')
  if redis.call('ZSCORE', delayed, body) == due then
    hasten(delayed, stream, body)
  end
end

-- Gives back the mark of a run, if it is this job's: also of one that was let start and did not.
local function unmark(job, mode, k)
  local mark = mode == 'p' and redis.call('HGET', runs, KEYS[k])
  if mark and string.sub(mark, 1, 36) == job then
    redis.call('HDEL', runs, KEYS[k])
    end_wait(KEYS[k], redis.call('HGET', waiting, KEYS[k]))
  end
end

-- Gives back what the job holds; never what another job holds.
local function release(job, mode, k)
  if mode == 'u' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k])
  end
  unmark(job, mode, k)
end

local verbs = {}

-- It was called off, before it started or while it ran.
function verbs.cancel(entry, job, mode, k)
  go(entry, mode, k)
  release(job, mode, k)
  if mode == 'p' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k])
  end
end

-- It was overtaken: the claim is another's.
function verbs.drop(entry, job, mode, k)
  go(entry, mode, k)
  unmark(job, mode, k)
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
    schedule(delayed, KEYS[4], body, delay)
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
    local mark = redis.call('HGET', runs, KEYS[k])
    if mark and tonumber(string.sub(mark, 37)) > now_ms() then
      schedule(delayed, KEYS[4], body, delay)
      redis.call('HSET', waiting, KEYS[k], redis.call('ZSCORE', delayed, body) .. ' ' .. body)
      redis.call('PEXPIRE', waiting, delay * 2)
    else
      redis.call('XADD', stream, '*', 'e', body) -- the run has ended since
    end
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
  local fallen = before + 1 - redis.call('XLEN', KEYS[3])
  if fallen > 0 then
    redis.call('INCRBY', dropped, fallen)
  end
  release(job, mode, k)
  if mode == 'p' and holder(KEYS[k]) == job then
    redis.call('DEL', KEYS[k]) -- it died before it ever started
  end
  remove(entry, line_of(mode, k))
end

-- Due for anybody's next rescue, at the head of the line. a: deliveries counted so far
function verbs.back(entry, job, mode, k, deliveries)
  if owned(stream, group, me, entry) then
    unmark(job, mode, k)
    redis.call('XCLAIM', stream, group, me, 0, entry, 'IDLE', lease + 1, 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end

-- What was called off is neither put off nor followed by a next page, even when that reached its run too late.
local ends = { next = true, later = true, wait = true }
local is_called_off = redis.call('EXISTS', cancelled) == 1
local short = { drop = true, cancel = true }
-- Good ends are most of all: what they hold is looked at and given back by one command each, not one per job.
local pending, unfinished, lengths = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local good, i = pending + unfinished, 8 + lengths
-- What the jobs from place `first` to `last` hold, of what Redis knows of all of them.
local function held(first, last, found)
  local mine = {}
  for j = first, last do
    local holds = found[j - first + 1]
    if holds and string.sub(holds, 1, 36) == ARGV[i + good + j - 1] then
      mine[#mine + 1] = KEYS[11 + j]
    end
  end
  return mine
end
if pending > 0 then
  local mine = held(1, pending, redis.call('HMGET', runs, unpack(KEYS, 12, 11 + pending)))
  if #mine > 0 then
    redis.call('HDEL', runs, unpack(mine))
    if redis.call('EXISTS', waiting) == 1 then
      local found = redis.call('HMGET', waiting, unpack(mine))
      for j, unique in ipairs(mine) do
        end_wait(unique, found[j])
      end
    end
  end
end
if unfinished > 0 then
  local mine = held(pending + 1, good, redis.call('MGET', unpack(KEYS, 12 + pending, 11 + good)))
  if #mine > 0 then
    redis.call('DEL', unpack(mine))
  end
end
for run = 1, lengths do
  for _ = 1, tonumber(ARGV[7 + run]) do
    gone[#gone + 1] = ARGV[i + #gone]
    gone_lines[#gone] = KEYS[11 + good + run]
  end
end
is_counted, i = good > 0, i + 2 * good
while i <= #ARGV do
  local verb = ARGV[i]
  local after = i + (short[verb] and 5 or 10)
  if is_called_off and ends[verb] and redis.call('ZSCORE', cancelled, ARGV[i + 2]) then
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
