-- Reads the issues whose first touch is longest ago, without removing them.
-- KEYS: touched set, counts. ARGV: how many. Answers: id, first touch in ms, count and mark, id, ..
local found = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
local answer = {}
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], found[i]) or '0:'
end
return answer
