-- Keeps the line of one instance moving when the stream runs dry, whatever the counts say: they may be wrong after a loss of
-- data, or when somebody wrote by hand.
-- KEYS: stream, delayed, parked, paused, lines, shares, share, the line. ARGV: instance, how many at most.
-- Answers how many jobs wait in it still.
local stream, lines, shares, line, instance = KEYS[1], KEYS[5], KEYS[6], KEYS[8], ARGV[1]
redis.call('ZADD', lines, 'XX', now_ms(), instance)
local waiting = redis.call('XLEN', stream)
if waiting == 0 and redis.call('EXISTS', KEYS[2], KEYS[3]) == 0 then
  redis.call('DEL', shares) -- nobody has any
end
if waiting < share_of(KEYS[7]) and not is_paused(KEYS[4], instance) then
  feed(stream, lines, shares, line, instance, ARGV[2])
end
return redis.call('LLEN', line)
