-- Pauses a queue or an instance.
-- KEYS: paused, parked, control. ARGV: '*' or an instance, the pause, when it ends in ms (0: never), a fresh mark.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 'XX', ARGV[3] == '0' and '+inf' or ARGV[3], ARGV[1])
redis.call('SET', KEYS[3], ARGV[4])
return 1
