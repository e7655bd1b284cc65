-- Renew the lease of a partition; one that is missing is entered again.
-- KEYS: node:PARTITION. ARGV: who, TTL (ms).
-- Answers 'kept', 'entered' or 'lost': another has it.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 'kept'
end
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 'entered'
end
return 'lost'
