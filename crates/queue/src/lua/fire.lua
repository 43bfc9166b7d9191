
-- Serves turns of the timetable: each once, whoever asks and however often. The mark of a turn is set together with its
-- job, so none is lost and none comes twice when a scheduler dies, sleeps or has a wrong clock.
-- KEYS: stream, delayed, wake, fence, per turn its mark and, if its job has a unique key, that and the line of its instance;
--   shares, share, lines.
-- ARGV: how many jobs a line takes, the scheduler's term, now in ms ('' for Redis' own), by how much a mark may lie ahead in
--   ms, life of a mark in ms, then per turn: index of its mark in KEYS, its second since 1970, its job's body ('': only to be
--   noted), index of its unique key (0: it has none), claim, life of the claim in ms.
-- Answers per turn: fired, held (the same waits or runs already), noted, passed (it was served before), early, full; or for
--   all of them fenced: somebody of a later term was here.
local most, term, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) or now_ms()
local ahead, life = tonumber(ARGV[4]), ARGV[5]
local is_fenced = tonumber(redis.call('GET', KEYS[4]) or 0) > term
if not is_fenced then
  redis.call('SET', KEYS[4], ARGV[2])
end

-- A mark from the future was set by a clock that has been put back since, and counts for nothing.
local function is_served(mark, turn)
  local served = tonumber(string.match(redis.call('GET', mark) or '', '^-?%d+'))
  return served and served >= turn and served * 1000 <= now + ahead
end

local function serve(mark, turn, body, k, claim, claim_life)
  if is_fenced then
    return 'fenced'
  elseif turn * 1000 > now then
    return 'early'
  elseif is_served(mark, turn) then
    return 'passed'
  end
  local how = 'noted'
  if body ~= '' then
    local first = ask(body, k, claim, claim_life, 0, most)
    if first == '!' then
      return 'full'
    end
    how = first == '' and 'fired' or 'held'
  end
  -- When a turn is only noted, nothing ran.
  redis.call('SET', mark, string.format('%d %s', turn, body == '' and '-' or string.format('%.0f', now)), 'PX', life)
  return how
end

local answer = {}
for i = 6, #ARGV, 6 do
  answer[#answer + 1] = serve(KEYS[tonumber(ARGV[i])], tonumber(ARGV[i + 1]), ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4],
    ARGV[i + 5])
end
return answer
