-- Forgets the oldest dead letters: those of long ago, and as many as it takes when all take too much memory.
-- KEYS: dead, dropped. ARGV: for how long they are kept in ms, how many bytes they may take. Answers how many are gone.
local dead, before = KEYS[1], redis.call('XLEN', KEYS[1])
if before == 0 then
  return 0
end
redis.call('XTRIM', dead, 'MINID', now_ms() - ARGV[1])
-- Redis measures some blocks of the stream and reckons the others by them: the same work at any length.
local bytes, limit = redis.call('MEMORY', 'USAGE', dead) or 0, tonumber(ARGV[2])
if bytes > limit then
  redis.call('XTRIM', dead, 'MAXLEN', math.floor(redis.call('XLEN', dead) * limit / bytes * 0.9))
end
local gone = before - redis.call('XLEN', dead)
if gone > 0 then
  redis.call('INCRBY', KEYS[2], gone)
end
return gone
