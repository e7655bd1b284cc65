-- Before every script of the map.
-- A key holds NODE PARTITION EPOCH; or EPOCH alone once that connection is closed, for a while, so
-- that a later one never has the same epoch. What is neither was written by nobody of ours.

-- Node and epoch; nil and 0 where there is nothing. And the value.
local function held(key)
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then -- there is none, or it is no string
    return nil, 0
  end
  local node, epoch = string.match(value, '^(%S+) %d+ (%d+)$')
  if node then
    return node, tonumber(epoch), value
  end
  return nil, tonumber(string.match(value, '^%d+$')) or 0
end

-- Unix milliseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Not tostring, which writes a number of 13 digits with an exponent.
local function digits(number)
  return string.format('%.0f', number)
end

local function write(key, node, partition, epoch, ttl)
  redis.call('SET', key, node .. ' ' .. partition .. ' ' .. digits(epoch), 'PX', ttl)
end

-- Tell the node that held a connection that a newer one has replaced it.
local function tell(node, key, epoch)
  redis.call('PUBLISH', 'moved:' .. node, string.sub(key, #'conn:' + 1) .. ' ' .. digits(epoch))
end
