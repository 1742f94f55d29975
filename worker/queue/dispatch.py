"""The script that moves messages between a queue and the processes that work on them, with dramatiq's keys.

dramatiq's own script declares the bare namespace as its key and asks for KEYS, so it works for no Redis user who is confined
to our keys, nor without dangerous commands. Ours touches keys below the namespace only:

    <namespace>:<queue>                     list of message ids, oldest first
    <namespace>:<queue>.msgs                hash of message id to message
    <namespace>:__acks__.<process>.<queue>  set of the ids that a process has fetched and not acknowledged
    <namespace>:__heartbeats__              sorted set of processes by their last command, in milliseconds
"""

from __future__ import annotations

#: KEYS: list, messages, this process's fetched ids, heartbeats. ARGV: command, this process, now (ms), the heartbeat before
#: which a process counts as dead, the prefix of all sets of fetched ids, this queue's name, all queues' names joined by
#: commas, then for the commands `ack` and `requeue` ids. `fetch` returns an id and its message.
SCRIPT = """
local queue, messages, mine, heartbeats = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local command, now, dead_before = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])

local function put_back(id)
  if redis.call('hexists', messages, id) == 1 then
    redis.call('rpush', queue, id)
  end
end

redis.call('zadd', heartbeats, now, ARGV[2])
for _, dead in ipairs(redis.call('zrangebyscore', heartbeats, 0, dead_before)) do
  local theirs = ARGV[5] .. dead .. '.' .. ARGV[6]
  for _, id in ipairs(redis.call('smembers', theirs)) do
    put_back(id)
  end
  redis.call('del', theirs)
  local holds = 0
  for name in string.gmatch(ARGV[7], '[^,]+') do
    holds = holds + redis.call('exists', ARGV[5] .. dead .. '.' .. name)
  end
  if holds == 0 then
    redis.call('zrem', heartbeats, dead)
  end
end

if command == 'fetch' then
  local id = redis.call('lpop', queue)
  if not id then
    return {}
  end
  redis.call('sadd', mine, id)
  return {id, redis.call('hget', messages, id)}
end
for i = 8, #ARGV do
  local held = redis.call('srem', mine, ARGV[i]) == 1
  if held and command == 'requeue' then
    put_back(ARGV[i])
  elseif held and command == 'ack' then
    redis.call('hdel', messages, ARGV[i])
  end
end
return #ARGV - 7
"""
