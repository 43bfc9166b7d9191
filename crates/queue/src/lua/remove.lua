-- Takes a job that waits out of the line, with the keys it holds. What was delivered meanwhile is left to its worker.
-- KEYS: stream, delayed, parked jobs of its instance, unique key, finished, shares.
-- ARGV: group, job id, where it was seen (s, d, p), its entry (s) or its body, what the history says, how many of these are kept,
-- instance ('': not counted).
-- Answers whether it was there.
local gone
if ARGV[3] == 's' then
  local found = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1)
  gone = (found.err or #found == 0) and redis.call('XDEL', KEYS[1], ARGV[4]) or 0
elseif ARGV[3] == 'd' then
  gone = redis.call('ZREM', KEYS[2], ARGV[4])
else
  gone = redis.call('HGET', KEYS[3], KEYS[4]) == ARGV[4] and redis.call('HDEL', KEYS[3], KEYS[4]) or 0
end
if gone == 1 then
  if ARGV[7] ~= '' then
    freed(KEYS[6], ARGV[7], 1)
  end
  if holder(KEYS[4]) == ARGV[2] then
    redis.call('DEL', KEYS[4])
  end
  redis.call('LPUSH', KEYS[5], ARGV[5])
  redis.call('LTRIM', KEYS[5], 0, ARGV[6] - 1)
end
return gone
