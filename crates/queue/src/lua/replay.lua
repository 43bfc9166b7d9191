-- Puts a dead letter back into the line, in one step: it is never in both places and never in none.
-- KEYS: dead, stream, unique key, shares. ARGV: letter, body, claim, life of the claim in ms, instance ('': not counted).
-- Answers '' when replayed, the claim that was there first, or nil when the letter is gone.
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then
  return nil
end
local first = redis.call('GET', KEYS[3])
if first then
  return first
end
redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
if ARGV[5] ~= '' then
  redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
  redis.call('HINCRBY', KEYS[4], ARGV[5], 1)
end
redis.call('XDEL', KEYS[1], ARGV[1])
return ''
