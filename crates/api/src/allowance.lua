-- Takes one request out of every purse, or none if one of them is empty. Each refills evenly: its key holds when it will be
-- full again. KEYS: the purses. ARGV: for each, how many requests it holds and in how many milliseconds it refills.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local purses, wait = {}, 0
for i, key in ipairs(KEYS) do
  local window = tonumber(ARGV[2 * i])
  local step = window / tonumber(ARGV[2 * i - 1])
  local full = math.max(tonumber(redis.call('GET', key) or 0), now)
  local room = now + window - full
  if room < step then wait = math.max(wait, step - room) end
  purses[i] = { full = full, room = room, step = step }
end
local told = { math.ceil(wait) }
for i, key in ipairs(KEYS) do
  local purse = purses[i]
  if wait == 0 then
    purse.full, purse.room = purse.full + purse.step, purse.room - purse.step
    redis.call('SET', key, string.format('%.3f', purse.full), 'PX', math.ceil(purse.full - now) + 1)
  end
  told[#told + 1] = math.max(math.floor(purse.room / purse.step), 0)
  told[#told + 1] = math.ceil((purse.full - now) / 1000)
end
return told
