-- Remove connections that are closed, each only if its epoch is still the one that counts.
-- KEYS: conn:CP each. ARGV: node, TTL (ms) of what is left, then the epoch for each key.
-- Answers how many were removed.
local removed = 0
for i, key in ipairs(KEYS) do
  local node, epoch = held(key)
  if node == ARGV[1] and epoch == tonumber(ARGV[2 + i]) then
    redis.call('SET', key, digits(epoch), 'PX', ARGV[2])
    removed = removed + 1
  end
end
return removed
