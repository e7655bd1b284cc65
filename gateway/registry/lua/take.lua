-- Take charge points over, each with an epoch higher than any before.
-- KEYS: conn:CP each. ARGV: node, partition, TTL (ms), not after (Unix ms), then for each key an
-- epoch that the new one must exceed.
-- Answers the time; then for each key its epoch and the node that held it, '' if none did.
-- The time alone: it is too late, and nothing was done.
local node, partition, ttl = ARGV[1], ARGV[2], ARGV[3]
local time = now()
-- Who asked waits no longer, and has given an epoch of its own by now.
if time > tonumber(ARGV[4]) then
  return {time}
end
local answer = {time}
for i, key in ipairs(KEYS) do
  local before, last = held(key)
  local epoch = math.max(time, last + 1, tonumber(ARGV[4 + i]) + 1)
  write(key, node, partition, epoch, ttl)
  if before and before ~= node then
    tell(before, key, epoch)
  end
  answer[2 * i] = epoch
  answer[2 * i + 1] = before or ''
end
return answer
