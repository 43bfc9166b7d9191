
-- Decides which scheduler leads: whoever does, as long as it says so in time. A new one gets a term of its own, greater than
-- all before, by which a former one is told apart (the fence in fire.lua).
-- KEYS: lead ("term until name"), term. ARGV: a name, for how long in ms (0: it gives up; -1: somebody only asks), now in
--   ms ('' for Redis' own).
-- Answers: now in ms, and of whoever leads term, until when in ms, and name (0, 0 and '' when nobody does).
local me, life, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]) or now_ms()
local term, ends, who = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+) (.*)$')
-- A lease that ends too far ahead was written by a clock that has been put back since.
local holds = who and tonumber(ends) > now and (life <= 0 or tonumber(ends) <= now + 10 * life)
if life == 0 and who == me then
  redis.call('DEL', KEYS[1])
  holds = false
elseif life > 0 and (who == me or not holds) then
  if who ~= me then
    term, who = redis.call('INCR', KEYS[2]), me
  end
  ends, holds = string.format('%.0f', now + life), true
  redis.call('SET', KEYS[1], term .. ' ' .. ends .. ' ' .. who)
end
if not holds then
  return { now, 0, 0, '' }
end
return { now, tonumber(term), tonumber(ends), who }
