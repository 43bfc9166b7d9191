-- Takes one question out of an instance's bucket and one out of its endpoint's, or none. Constant time.
-- KEYS: the instance's bucket, the endpoint's bucket.
-- ARGV: questions a minute, rank of the urgency (0 live to 3 bulk), the endpoint's questions a second, the time in ms or nothing.
-- Answers whether it was taken, how many ms to wait if not, which share of the instance's bucket is left (as text), and what
-- stood in the way: 0 nothing, 1 a pause, 2 the instance's bucket, 3 the endpoint's.
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local per_minute, rank, per_second = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local small = math.max(2, per_minute / 50)
local steady = math.max(per_minute / 2, math.min(per_minute, per_minute * 1.01 - small / 2)) / 60000
local burst = math.max(small, per_minute / 2)
local repaying = math.max(per_minute / 10, per_minute - burst) / 60000

local function read(key)
  local bucket = redis.call('HMGET', key, 'tokens', 'at', 'burst_at', 'used_at', 'paused_until', 'slow_until', 'share')
  local read = {}
  for i, name in ipairs({'tokens', 'at', 'burst_at', 'used_at', 'paused_until', 'slow_until', 'share'}) do
    read[name] = tonumber(bucket[i])
  end
  read.pace = (read.slow_until or 0) > now and read.share or 1
  return read
end

local function refill(bucket, until_when, cap, per_ms)
  local elapsed = math.max(0, until_when - bucket.at)
  bucket.tokens = math.min(cap, bucket.tokens + elapsed * per_ms * bucket.pace)
  bucket.at = math.max(bucket.at, until_when)
end

local whole, cap, per_ms = read(KEYS[1]), small, steady
local rested = whole.tokens == nil
  or (now - whole.used_at >= burst / per_minute * 60000 and now - whole.burst_at >= 60000 and whole.pace == 1)
if rested then
  whole.tokens, whole.at, whole.burst_at, whole.used_at = burst, now, now, now
end
-- What is not used of a burst is lost little by little: a late one would not be repaid in its own minute.
local repaid = whole.burst_at + 60000
local left_of_burst = math.max(small, burst * math.min(1, (repaid - now) / 60000))
refill(whole, math.min(now, repaid), left_of_burst, repaying)
if now >= repaid then
  refill(whole, now, small, steady)
else
  cap, per_ms = left_of_burst, repaying
end

local part, part_cap, part_per_ms = read(KEYS[2]), math.max(2, per_second / 5), per_second / 1000
if part.tokens == nil then
  part.tokens, part.at = part_cap, now
end
refill(part, now, part_cap, part_per_ms)

local function lacking(bucket, cap)
  return 1 + rank / 3 * math.max(1, cap * 0.3) - bucket.tokens
end
local lack, part_lack = lacking(whole, cap), lacking(part, part_cap)
local paused = math.max(whole.paused_until or 0, part.paused_until or 0) - now
local taken, wait, obstacle = 0, 0, 0
if paused > 0 then
  wait, obstacle = paused, 1
elseif lack <= 0.000001 and part_lack <= 0.000001 then
  whole.tokens, part.tokens, whole.used_at, taken = whole.tokens - 1, part.tokens - 1, now, 1
else
  local whole_wait, part_wait = lack / (per_ms * whole.pace), part_lack / (part_per_ms * part.pace)
  obstacle = whole_wait >= part_wait and 2 or 3
  wait = math.max(1, math.ceil(math.max(whole_wait, part_wait)))
end

local function write(key, bucket)
  redis.call('HSET', key, 'tokens', string.format('%.6f', bucket.tokens), 'at', bucket.at,
    'burst_at', bucket.burst_at or 0, 'used_at', bucket.used_at or 0)
  local kept = math.max(0, (bucket.paused_until or 0) - now, (bucket.slow_until or 0) - now)
  redis.call('PEXPIRE', key, 120000 + kept)
end
write(KEYS[1], whole)
write(KEYS[2], part)
return {taken, wait, string.format('%.3f', math.max(0, whole.tokens) / cap), obstacle}
