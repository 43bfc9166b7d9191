-- Decides at the last moment whether deliveries may run.
-- KEYS: stream, runs, paused, cancelled, then per delivery its unique key (the stream instead, where it shares none).
-- ARGV: group, consumer, lease in ms, life of a claim in mode 'u' in ms, 1 when all are certainly this consumer's (delivered
--   a moment ago), the modes ('-' none, 'p', 'u') in one text; then the entries; then the job, the instance and the claim
--   (mode 'u') of each in one text.
-- Answers, for those that may not run, their places and why: lost (somebody else's by now), over (overtaken), busy (the same
-- request runs elsewhere), cancelled, halted (the queue is paused), parked (the instance is).
local stream, runs, paused, cancelled, lease, modes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[3], ARGV[6]
local count = #KEYS - 4
local answer, begun, marks = {}, {}, {}
local controlled = redis.call('EXISTS', paused, cancelled) > 0
local halted = controlled and is_paused(paused, '*')
local trusted = ARGV[5] == '1'
-- One look at all of them. What is changed below is remembered beside, for copies in the same batch.
local claims = redis.call('MGET', unpack(KEYS, 5))
local running = redis.call('HMGET', runs, unpack(KEYS, 5))
local now = now_ms()
local till = string.format('%.0f', now + lease)
local marked, taken = {}, {}
for k = 1, count do
  local mode, about, unique = string.byte(modes, k), ARGV[6 + count + k], KEYS[4 + k]
  local job = string.sub(about, 1, 36)
  local first = mode ~= 45 and (taken[unique] or claims[k] and string.sub(claims[k], 1, 36))
  local verdict
  if not trusted and not owned(stream, ARGV[1], ARGV[2], ARGV[6 + k]) then
    verdict = 'lost'
  elseif first and first ~= job then
    verdict = 'over'
  elseif controlled and redis.call('ZSCORE', cancelled, job) then
    verdict = 'cancelled'
  elseif halted then
    verdict = 'halted'
  elseif controlled and is_paused(paused, string.sub(about, 37, 72)) then
    verdict = 'parked'
  elseif mode == 117 then
    redis.call('SET', unique, string.sub(about, 73), 'PX', ARGV[4])
    taken[unique] = job
  elseif mode == 112 then
    -- Seldom anybody's; perhaps our own, from a delivery that was lost.
    local other = marked[unique] or running[k]
    if other and string.sub(other, 1, 36) ~= job and tonumber(string.sub(other, 37)) > now then
      verdict = 'busy'
    else
      marked[unique] = job .. till
      marks[#marks + 1] = unique
      marks[#marks + 1] = marked[unique]
      if first then
        begun[#begun + 1] = unique
      end
    end
  end
  if verdict then
    answer[#answer + 1] = k
    answer[#answer + 1] = verdict
  end
end
if #marks > 0 then
  redis.call('HSET', runs, unpack(marks))
end
if #begun > 0 then
  redis.call('DEL', unpack(begun))
end
return answer
