-- Removes the marks of runs whose workers were lost, as far as nobody asked for the same again; a part of them at a time.
-- KEYS: runs. ARGV: where to go on (0: from the start), about how many are looked at.
-- Answers where to go on, 0 at the end.
local found, gone, now = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]), {}, now_ms()
local marks = found[2]
for i = 1, #marks, 2 do
  if tonumber(string.sub(marks[i + 1], 37)) <= now then
    gone[#gone + 1] = marks[i]
  end
end
for i = 1, #gone, 500 do
  redis.call('HDEL', KEYS[1], unpack(gone, i, math.min(i + 499, #gone)))
end
return found[1]
