-- One batch of a role as one step: fences, values and item counters, all or nothing.
-- KEYS[1] fences of the role (hash), KEYS[2] item counters (hash), KEYS[3] counters changed (sorted set),
-- KEYS[4...] the values.
-- ARGV[1] fences   {{source, expected or '', next}, ...} MessagePack
-- ARGV[2] counters {{item_id, weight, at_s}, ...}        MessagePack
-- ARGV[3] half-life of the counters in seconds
-- ARGV[4] how many counters there may be: beyond, those that changed longest ago are forgotten
-- ARGV[5...] of each value, in the order of KEYS[4...]: expected version or '', value or '', seconds or 0
local fences = cmsgpack.unpack(ARGV[1])
local counters = cmsgpack.unpack(ARGV[2])
local half_life_s = tonumber(ARGV[3])

for _, fence in ipairs(fences) do
  local current = redis.call('HGET', KEYS[1], fence[1]) or ''
  if current ~= fence[2] then return 0 end
end
for i = 1, #KEYS - 3 do
  if redis.call('GETRANGE', KEYS[3 + i], 0, 7) ~= ARGV[2 + 3 * i] then return 0 end
end

for _, fence in ipairs(fences) do
  redis.call('HSET', KEYS[1], fence[1], fence[3])
end
for i = 1, #KEYS - 3 do
  local key, value, seconds = KEYS[3 + i], ARGV[3 + 3 * i], tonumber(ARGV[4 + 3 * i])
  if value == '' then
    redis.call('DEL', key)
  elseif seconds > 0 then
    redis.call('SET', key, value, 'EX', seconds)
  else
    redis.call('SET', key, value)
  end
end
if #counters > 0 then
  local now = redis.call('TIME')
  local changed_at = string.format('%.6f', tonumber(now[1]) + tonumber(now[2]) / 1e6)
  for _, counter in ipairs(counters) do
    local item_id, weight, at_s = counter[1], counter[2], counter[3]
    local stored = redis.call('HGET', KEYS[2], item_id)
    if stored then
      local value, stored_at_s = struct.unpack('>dd', stored)
      if at_s >= stored_at_s then
        weight = weight + value * 2 ^ ((stored_at_s - at_s) / half_life_s)
      else
        weight = value + weight * 2 ^ ((at_s - stored_at_s) / half_life_s)
        at_s = stored_at_s
      end
    end
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
