-- One batch of a role as one step: fences, values, counters, tallies and timers, all or nothing.
-- KEYS[1] fences of the role (hash), KEYS[2] item counters (hash), KEYS[3] counters changed (sorted set),
-- KEYS[4...] the values, and after them what ARGV[6..8] name by number.
-- ARGV[1] fences   {{source, expected or '', next}, ...} MessagePack
-- ARGV[2] counters {{item_id, weight, at_s}, ...}        MessagePack
-- ARGV[3] half-life of the counters in seconds
-- ARGV[4] how many counters there may be: beyond, those that changed longest ago are forgotten
-- ARGV[5] how many values there are
-- ARGV[6] tallies (hashes)         {{number of key, seconds, {{field, amount}, ...}}, ...} MessagePack
-- ARGV[7] distinct (HyperLogLogs)  {{number of key, seconds, {member, ...}}, ...}          MessagePack
-- ARGV[8] timers (sorted sets)     {{number of key, {{member, due or ''}, ...}}, ...}      MessagePack
-- ARGV[9] erasures   {} or {expected version of the marks or false, number of the version's key, number of the
--                    marks' key (hash), {{person, at_ms, until_ms}, ...}}                  MessagePack
-- ARGV[10] numbers of keys that are deleted                                                MessagePack
-- ARGV[11...] of each value, in the order of KEYS[4...]: expected version or '', value or '', seconds or 0
local fences = cmsgpack.unpack(ARGV[1])
local counters = cmsgpack.unpack(ARGV[2])
local half_life_s = tonumber(ARGV[3])
local values = tonumber(ARGV[5])
local erasures = cmsgpack.unpack(ARGV[9])
-- What unpack puts on Lua's stack has a limit.
local MEMBERS_AT_ONCE = 1000

for _, fence in ipairs(fences) do
  local current = redis.call('HGET', KEYS[1], fence[1]) or ''
  if current ~= fence[2] then return 0 end
end
for i = 1, values do
  if redis.call('GETRANGE', KEYS[3 + i], 0, 7) ~= ARGV[8 + 3 * i] then return 0 end
end
if erasures[1] and (redis.call('GET', KEYS[erasures[2]]) or '') ~= erasures[1] then return 0 end

for _, fence in ipairs(fences) do
  redis.call('HSET', KEYS[1], fence[1], fence[3])
end
for i = 1, values do
  local key, value, seconds = KEYS[3 + i], ARGV[9 + 3 * i], tonumber(ARGV[10 + 3 * i])
  if value == '' then
    redis.call('DEL', key)
  elseif seconds > 0 then
    redis.call('SET', key, value, 'EX', seconds)
  else
    redis.call('SET', key, value)
  end
end
for _, tally in ipairs(cmsgpack.unpack(ARGV[6])) do
  local key = KEYS[tally[1]]
  for _, sum in ipairs(tally[3]) do
    redis.call('HINCRBYFLOAT', key, sum[1], sum[2])
  end
  redis.call('EXPIRE', key, tally[2])
end
for _, distinct in ipairs(cmsgpack.unpack(ARGV[7])) do
  local key, members = KEYS[distinct[1]], distinct[3]
  for first = 1, #members, MEMBERS_AT_ONCE do
    redis.call('PFADD', key, unpack(members, first, math.min(first + MEMBERS_AT_ONCE - 1, #members)))
  end
  redis.call('EXPIRE', key, distinct[2])
end
for _, timers in ipairs(cmsgpack.unpack(ARGV[8])) do
  local key = KEYS[timers[1]]
  for _, timer in ipairs(timers[2]) do
    if timer[2] == '' then
      redis.call('ZREM', key, timer[1])
    else
      redis.call('ZADD', key, timer[2], timer[1])
    end
  end
end
for _, number in ipairs(cmsgpack.unpack(ARGV[10])) do
  redis.call('DEL', KEYS[number])
end
if #erasures > 0 then
  local is_new = false
  for _, mark in ipairs(erasures[4]) do
    local held = redis.call('HGET', KEYS[erasures[3]], mark[1])
    if not held or tonumber(string.match(held, '^%d+')) < mark[2] then
      redis.call('HSET', KEYS[erasures[3]], mark[1], string.format('%.0f:%.0f', mark[2], mark[3]))
      is_new = true
    end
  end
  if is_new then
    -- The time, and not a count: a count would begin anew with a Redis that has lost its state.
    local time = redis.call('TIME')
    redis.call('SET', KEYS[erasures[2]], time[1] .. '.' .. time[2])
  end
end
if #counters > 0 then
  local now = redis.call('TIME')
  local changed_at = string.format('%.6f', tonumber(now[1]) + tonumber(now[2]) / 1e6)
  for _, counter in ipairs(counters) do
    local item_id, weight, at_s = counter[1], counter[2], counter[3]
    local stored = redis.call('HGET', KEYS[2], item_id)
    if not stored and weight < 0 then
      weight = 0
    elseif stored then
      local value, stored_at_s = struct.unpack('>dd', stored)
      if at_s >= stored_at_s then
        weight = weight + value * 2 ^ ((stored_at_s - at_s) / half_life_s)
      else
        weight = value + weight * 2 ^ ((at_s - stored_at_s) / half_life_s)
        at_s = stored_at_s
      end
    end
    weight = math.max(weight, 0)
    redis.call('HSET', KEYS[2], item_id, struct.pack('>dd', weight, at_s))
    redis.call('ZADD', KEYS[3], changed_at, item_id)
  end
  local surplus = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[4])
  if surplus > 0 then
    for _, item_id in ipairs(redis.call('ZRANGE', KEYS[3], 0, surplus - 1)) do
      redis.call('HDEL', KEYS[2], item_id)
    end
    redis.call('ZREMRANGEBYRANK', KEYS[3], 0, surplus - 1)
  end
end
return 1
