-- Lease the lowest partition that is free.
-- KEYS: node:PARTITION each, from 0. ARGV: who, TTL (ms).
-- Answers the partition; -1 if none is free.
for i, key in ipairs(KEYS) do
  if redis.call('SET', key, ARGV[1], 'PX', ARGV[2], 'NX') then
    return i - 1
  end
end
return -1
