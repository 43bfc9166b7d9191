
-- Adds jobs unless the same was asked for already.
-- KEYS: stream, delayed, wake, per job that has a unique key that and the line of its instance; shares, share, lines.
-- ARGV: how many jobs a line takes, then per job its body, index of its unique key in KEYS (0: it has none), claim, life of
--   the claim in ms, delay in ms.
-- Answers per job: '' when added, '!' when the line is full, else the claim that was there first.
local answer, most = {}, tonumber(ARGV[1])
for i = 2, #ARGV, 5 do
  answer[#answer + 1] = ask(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), most)
end
return answer
