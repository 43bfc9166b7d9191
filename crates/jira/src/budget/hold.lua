-- Stops or slows one bucket. A pause is only ever made longer, and a slower pace only slower while one lasts.
-- KEYS: a bucket.
-- ARGV: how many ms it gives nothing, how many ms it gives less, which share it gives then, the time in ms or nothing.
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local pause, slow, share = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local before = redis.call('HMGET', KEYS[1], 'paused_until', 'slow_until', 'share')
local paused_until = math.max(tonumber(before[1]) or 0, pause > 0 and now + pause or 0)
local slow_until = tonumber(before[2]) or 0
if slow > 0 then
  if slow_until > now then
    share = math.min(share, tonumber(before[3]) or 1)
  end
  slow_until = math.max(slow_until, now + slow)
  redis.call('HSET', KEYS[1], 'slow_until', slow_until, 'share', share)
end
redis.call('HSET', KEYS[1], 'paused_until', paused_until)
redis.call('PEXPIRE', KEYS[1], 120000 + math.max(0, paused_until - now, slow_until - now))
return redis.status_reply('OK')
