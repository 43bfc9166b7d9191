-- Decides at the last moment whether deliveries may run.
-- KEYS: stream, then per delivery its unique key and its running mark (the stream instead, where it shares none); paused,
--   cancelled.
-- ARGV: group, consumer, lease in ms, life of a claim in mode 'u' in ms, 1 when all are certainly this consumer's (delivered
--   a moment ago), then per delivery its entry, its mode ('-' none, 'p', 'u') followed by its job id, its claim (mode 'u'), its instance.
-- Answers per delivery: run, lost (somebody else's by now), over (overtaken), busy (the same request runs elsewhere),
-- cancelled, halted (the queue is paused), parked (the instance is).
local answer, unique, begun = {}, {}, {}
local paused, cancelled = KEYS[#KEYS - 1], KEYS[#KEYS]
local controlled = redis.call('EXISTS', paused, cancelled) > 0
local halted = controlled and is_paused(paused, '*')
local trusted = ARGV[5] == '1'
for k = 2, #KEYS - 2, 2 do
  unique[#unique + 1] = KEYS[k]
end
-- One look at all of them. One that is changed below is seen as it was: its copies in the same batch are overtaken by it.
local claims = redis.call('MGET', unpack(unique))
local k = 1
for i = 6, #ARGV, 4 do
  local entry, mode, job = ARGV[i], string.sub(ARGV[i + 1], 1, 1), string.sub(ARGV[i + 1], 2)
  local first = mode ~= '-' and claims[k] and string.sub(claims[k], 1, 36)
  local verdict = 'run'
  if not trusted and not owned(KEYS[1], ARGV[1], ARGV[2], entry) then
    verdict = 'lost'
  elseif first and first ~= job then
    verdict = 'over'
  elseif controlled and redis.call('ZSCORE', cancelled, job) then
    verdict = 'cancelled'
  elseif halted then
    verdict = 'halted'
  elseif controlled and is_paused(paused, ARGV[i + 3]) then
    verdict = 'parked'
  elseif mode == 'u' then
    redis.call('SET', unique[k], ARGV[i + 2], 'PX', ARGV[4])
  elseif mode == 'p' then
    -- Seldom anybody's; perhaps our own, from a delivery that was lost.
    local running = KEYS[2 * k + 1]
    local free = redis.call('SET', running, job, 'NX', 'PX', ARGV[3])
    if not free and redis.call('GET', running) == job then
      free = redis.call('PEXPIRE', running, ARGV[3])
    end
    if not free then
      verdict = 'busy'
    elseif first then
      begun[#begun + 1] = unique[k]
    end
  end
  answer[k] = verdict
  k = k + 1
end
if #begun > 0 then
  redis.call('DEL', unpack(begun))
end
return answer
