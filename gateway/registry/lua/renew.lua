-- Renew what is still ours, enter what is missing, and say what is another's.
-- KEYS: conn:CP each. ARGV: node, partition, TTL (ms), then our epoch for each key.
-- Answers the time and how many were entered; then, for each connection that a newer one has
-- replaced, the number of its key and the newer epoch.
local node, partition, ttl = ARGV[1], ARGV[2], ARGV[3]
local answer, entered = {now(), 0}, 0
for i, key in ipairs(KEYS) do
  local epoch = tonumber(ARGV[3 + i])
  local before, last, value = held(key)
  if value == node .. ' ' .. partition .. ' ' .. ARGV[3 + i] then
    redis.call('PEXPIRE', key, ttl)
  -- Two nodes gave the same epoch while there was no Redis: who entered it first has it.
  elseif last > epoch or (last == epoch and before and before ~= node) then
    answer[#answer + 1] = i
    answer[#answer + 1] = last
  -- With our epoch and no node it is what we have just closed.
  elseif last < epoch or before then
    write(key, node, partition, epoch, ttl)
    entered = entered + 1
    if before and before ~= node then
      tell(before, key, epoch)
    end
  end
end
answer[2] = entered
return answer
