-- Decides who refreshes the gauges of a queue: whoever did last, as long as it lives.
-- KEYS: gauges. ARGV: a name, for how long it is remembered in ms. Answers whether it is this one.
local who = redis.call('GET', KEYS[1])
if who and who ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
