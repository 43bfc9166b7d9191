-- Makes a delayed job due at once. KEYS: delayed, stream. ARGV: its body. Answers whether it was there.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[2], '*', 'e', ARGV[1])
return 1
