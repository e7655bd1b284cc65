-- Give the lease of a partition back, if it is still ours.
-- KEYS: node:PARTITION. ARGV: who.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
