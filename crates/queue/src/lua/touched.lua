-- Reads the issues whose first touch is longest ago, without removing them.
-- KEYS: touched set, counts, traces. ARGV: how many. Answers: the time in ms, then id, first touch in ms, count and mark,
-- id, .., then the traces of those who touched.
local found = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
local answer = { now_ms() }
local read = {}
for i = 1, #found, 2 do
  read[#read + 1] = found[i]
  read[#read + 1] = found[i + 1]
  read[#read + 1] = redis.call('HGET', KEYS[2], found[i]) or '0:'
end
answer[2] = read
answer[3] = redis.call('LRANGE', KEYS[3], 0, -1)
return answer
