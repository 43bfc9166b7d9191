-- Renews the leases of one consumer, and the unique keys of what it holds.
-- KEYS: stream, runs, cancelled, then unique keys as the records say.
-- ARGV: group, consumer, lease in ms, then records of 5: entry, job id, mode, index of the unique key, its life in ms.
-- Answers the entries that are no longer this consumer's, and those that were called off.
local lost, mine, called_off = {}, {}, {}
local cancelled = redis.call('EXISTS', KEYS[3]) == 1
local till = string.format('%.0f', now_ms() + ARGV[3])
for i = 4, #ARGV, 5 do
  local entry, job, mode, k, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  if not owned(KEYS[1], ARGV[1], ARGV[2], entry) then
    lost[#lost + 1] = entry
  else
    mine[#mine + 1] = entry
    if cancelled and redis.call('ZSCORE', KEYS[3], job) then
      called_off[#called_off + 1] = entry
    end
    if mode ~= '-' and holder(KEYS[k]) == job then
      redis.call('PEXPIRE', KEYS[k], life)
    end
    local mark = mode == 'p' and redis.call('HGET', KEYS[2], KEYS[k])
    if mark and string.sub(mark, 1, 36) == job then
      redis.call('HSET', KEYS[2], KEYS[k], job .. till)
    end
  end
end
if #mine > 0 then
  -- JUSTID: without it every renewal would count as a delivery, and every long job would look like poison.
  local claim = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0 }
  for _, entry in ipairs(mine) do
    claim[#claim + 1] = entry
  end
  claim[#claim + 1] = 'JUSTID'
  redis.call(unpack(claim))
end
return { lost, called_off }
