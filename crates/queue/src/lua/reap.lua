-- Forgets consumers that are gone. One with pending entries is never deleted: its jobs would not be delivered again.
-- KEYS: stream. ARGV: group, idle time in ms, a consumer that is forgotten whatever its idle time (or '').
local gone = 0
local found = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if found.err then
  return 0
end
for _, fields in ipairs(found) do
  local about = {}
  for i = 1, #fields, 2 do
    about[fields[i]] = fields[i + 1]
  end
  if about.pending == 0 and (about.idle > tonumber(ARGV[2]) or about.name == ARGV[3]) and gone < 100 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], about.name)
    gone = gone + 1
  end
end
return gone
