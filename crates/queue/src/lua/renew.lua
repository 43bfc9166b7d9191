-- Renews the leases of one consumer, and the unique keys of what it holds.
-- KEYS: stream, then unique keys and running marks as the records say; cancelled.
-- ARGV: group, consumer, lease in ms, then records of 5: entry, job id, mode, index of the unique key, its life in ms.
-- Answers the entries that are no longer this consumer's, and those that were called off.
local lost, mine, called_off = {}, {}, {}
local cancelled = redis.call('EXISTS', KEYS[#KEYS]) == 1
for i = 4, #ARGV, 5 do
  local entry, job, mode, k, life = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  if not owned(KEYS[1], ARGV[1], ARGV[2], entry) then
    lost[#lost + 1] = entry
  else
    mine[#mine + 1] = entry
    if cancelled and redis.call('ZSCORE', KEYS[#KEYS], job) then
      called_off[#called_off + 1] = entry
    end
    if mode ~= '-' and holder(KEYS[k]) == job then
      redis.call('PEXPIRE', KEYS[k], life)
    end
    if mode == 'p' and redis.call('GET', KEYS[k + 1]) == job then
      redis.call('PEXPIRE', KEYS[k + 1], ARGV[3])
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
