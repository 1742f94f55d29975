-- The quota's ledger for one tenant and for the whole app. A call reads or changes all of it, or nothing.
--
-- KEYS (times and lengths of time are microseconds of this Redis's own clock; members are permits, never people)
--   1 memory      string  when permits may be given: two renewals after this Redis was found empty, or at once after
--                         `open`. Its absence is how lost memory is noticed, so it never expires.
--   2 app         hash    parked_until, parked_by: a 429 that concerns every tenant
--   3 app_minute  zset    permit -> when its call leaves the minute of the app
--   4 tenant      hash    parked_until, parked_by: a 429 that concerns this tenant; known: 1 once it is known what
--                         was used; probe: the permit of the last probe; paced: when a background call is next
--   5 calls       zset    permit -> end of its lease: the calls that run (P22: a lease each, so none can leak)
--   6 minute      zset    permit -> when its call leaves the minute: 60 s after its answer, until that has come after
--                         the end of its lease. Kept a minute longer, for `calibrate`.
--   7 day         hash    bucket number -> calls begun in it
--
-- ARGV
--   1 the name of one of the commands below
--   2 rules, JSON: limits (XPM's), caps (those of the caller's lane), background (is it such a lane), minute, day and
--     bucket (lengths of the windows and of a day's bucket), lease, closed (two renewals), brief (a short wait)
--   3 ask, JSON: what the command needs, and in tests `now`

local MEMORY, APP, APP_MINUTE, TENANT, CALLS, MINUTE, DAY = unpack(KEYS)
local rules, ask = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local now = ask.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function text(number)
  return string.format('%.0f', number)
end

-- How long no permits are given, because holders have yet to register again; at most 0 when that is over.
local function closed_for()
  local opens = tonumber(redis.call('GET', MEMORY) or '')
  if not opens or opens - now > rules.closed then  -- gone, or of a clock that has jumped back
    opens = now + rules.closed
    redis.call('SET', MEMORY, text(opens))
  end
  return opens - now
end

local function tidy()
  local long_gone = text(now - rules.minute)
  redis.call('ZREMRANGEBYSCORE', CALLS, '-inf', text(now))
  redis.call('ZREMRANGEBYSCORE', MINUTE, '-inf', long_gone)
  redis.call('ZREMRANGEBYSCORE', APP_MINUTE, '-inf', long_gone)
end

-- Keys that are not used expire; those of a tenant's day a little more than a day after its last call.
local day_kept = rules.day + 3 * rules.bucket

local function keep()
  local short = text(math.ceil((rules.lease + 3 * rules.minute) / 1000))
  local long = text(math.ceil(day_kept / 1000))
  for _, key in ipairs({APP_MINUTE, CALLS, MINUTE}) do redis.call('PEXPIRE', key, short) end
  for _, key in ipairs({TENANT, DAY}) do redis.call('PEXPIRE', key, long) end
end

local function in_log(log, since)
  return redis.call('ZCOUNT', log, '(' .. text(since), '+inf')
end

-- The wait until one more call fits below the cap of a minute's log.
local function log_wait(log, cap)
  local over = in_log(log, now) - cap + 1
  if over <= 0 then return 0 end
  local last = redis.call('ZRANGEBYSCORE', log, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', over - 1, 1)
  return tonumber(last[2]) - now
end

-- The calls of the last day, and its buckets as {when it leaves, calls}. A bucket is kept for one bucket longer than a
-- day after its end, because a call may reach XPM a while after its permit was given.
local function day_log()
  local used, buckets, stored = 0, {}, redis.call('HGETALL', DAY)
  for i = 1, #stored, 2 do
    local leaves, calls = (tonumber(stored[i]) + 2) * rules.bucket + rules.day, tonumber(stored[i + 1])
    if leaves <= now then
      redis.call('HDEL', DAY, stored[i])
    else
      used = used + calls
      buckets[#buckets + 1] = {leaves, calls}
    end
  end
  return used, buckets
end

local function add_to_day(calls)
  redis.call('HINCRBY', DAY, text(math.floor(now / rules.bucket)), text(calls))
end

local function day_wait(cap)
  local used, buckets = day_log()
  local over = used - cap + 1
  if over <= 0 then return 0 end
  table.sort(buckets, function(one, other) return one[1] < other[1] end)
  for _, bucket in ipairs(buckets) do
    over = over - bucket[2]
    if over <= 0 then return bucket[1] - now end
  end
  return rules.day
end

-- Once half of the minute is used, background calls come one at a time over the other half, so that room for an
-- interactive call opens every second, and not all at once a minute after a burst.
local function paces()
  return rules.background and in_log(MINUTE, now) * 2 >= rules.limits.minute
end

local function pace_wait()
  if not paces() then return 0 end
  local interval = rules.minute / rules.limits.minute
  return math.min(interval, (tonumber(redis.call('HGET', TENANT, 'paced') or '') or 0) - now)
end

local function count_pace()
  if not rules.background then return end
  local interval, paced = rules.minute / rules.limits.minute, now
  if paces() then  -- a slot may be taken up to two late, so that waking late costs nothing
    paced = math.max(tonumber(redis.call('HGET', TENANT, 'paced') or '') or 0, now - 2 * interval)
  end
  redis.call('HSET', TENANT, 'paced', text(paced + interval))
end

local function parked(key)
  local found = redis.call('HMGET', key, 'parked_until', 'parked_by')
  return (tonumber(found[1] or '') or 0) - now, found[2] or ''
end

-- Whether the ledger remembers longer than a tenant's keys are kept, and has none of this one: it made no call for a day.
local function is_unused()
  local opened = tonumber(redis.call('GET', MEMORY) or '')
  return opened and now - opened > day_kept and redis.call('EXISTS', TENANT, DAY) == 0
end

-- Whether the tenant's use is known, and if not, whether a probe is running to learn it.
local function knowledge()
  local found = redis.call('HMGET', TENANT, 'known', 'probe')
  if found[1] == '1' or is_unused() then return true, false end
  return false, found[2] and redis.call('ZSCORE', CALLS, found[2]) and true or false
end

-- The longest of all waits and its limit; 0 when nothing blocks the call.
local function refusal()
  local wait, limit = 0, ''
  local function consider(found, name)
    if found > wait then wait, limit = found, name end
  end
  local caps, known, probing = rules.caps, knowledge()
  consider(closed_for(), 'recovering')
  if probing and not known then consider(rules.brief, 'recovering') end
  if redis.call('ZCARD', CALLS) >= caps.concurrent then consider(rules.brief, 'concurrent') end
  consider(pace_wait(), 'minute')
  consider(log_wait(MINUTE, caps.minute), 'minute')
  consider(log_wait(APP_MINUTE, caps.app_minute), 'appminute')
  consider(day_wait(caps.day), 'day')
  consider(parked(APP))
  consider(parked(TENANT))
  return wait, limit
end

local function hold(permit, lease)
  local ends = now + lease
  redis.call('ZADD', CALLS, text(ends), permit)
  redis.call('ZADD', MINUTE, text(ends + rules.minute), permit)
  redis.call('ZADD', APP_MINUTE, text(ends + rules.minute), permit)
  keep()
end

-- Adds an entry for each call that XPM has counted and we have not, of those that existed when the call began.
local function fill(log, limit, remaining)
  local name = ask.permit .. '~' .. text(now) .. '~'
  local had = redis.call('ZCARD', log)
  for number = 1, limit - remaining - in_log(log, ask.since) do
    redis.call('ZADD', log, text(now + rules.minute), name .. had + number)
  end
end

local command = {}

-- ask: permit, lease. Returns {1, '', now} or {0, limit, wait}. Asking again for a permit that is held changes nothing.
function command.take()
  if redis.call('ZSCORE', CALLS, ask.permit) then return {1, '', text(now)} end
  local wait, limit = refusal()
  if wait > 0 then return {0, limit, text(math.ceil(wait))} end
  local known = knowledge()
  redis.call('HSET', TENANT, known and 'known' or 'probe', known and '1' or ask.permit)
  count_pace()
  add_to_day(1)
  hold(ask.permit, ask.lease)
  return {1, '', text(now)}
end

-- ask: held, a list of {permit, lease}. Holders thereby register again after lost memory.
function command.renew()
  closed_for()
  for _, permit in ipairs(ask.held) do hold(permit[1], permit[2]) end
end

-- ask: permit
function command.release()
  closed_for()
  redis.call('ZREM', CALLS, ask.permit)
  for _, log in ipairs({MINUTE, APP_MINUTE}) do redis.call('ZADD', log, text(now + rules.minute), ask.permit) end
  keep()
end

-- ask: permit, since (when it was given), and remaining, as XPM reported: any of minute, day, app_minute. Down only:
-- where XPM counted fewer calls than we did, we keep our count.
function command.calibrate()
  closed_for()
  local remaining = ask.remaining
  if remaining.minute then fill(MINUTE, rules.limits.minute, remaining.minute) end
  if remaining.app_minute then fill(APP_MINUTE, rules.limits.app_minute, remaining.app_minute) end
  if remaining.day then
    local unknown = rules.limits.day - remaining.day - day_log()
    if unknown > 0 then add_to_day(unknown) end
  end
  if remaining.minute and redis.call('HGET', TENANT, 'probe') == ask.permit then
    redis.call('HSET', TENANT, 'known', '1')
    redis.call('HDEL', TENANT, 'probe')
  end
  keep()
end

-- ask: limit, wait. Our count was wrong, so a probe goes first, except for concurrent calls, which XPM does not report.
function command.park()
  closed_for()
  local key = ask.limit == 'appminute' and APP or TENANT
  local until_now = parked(key)
  if ask.wait > until_now then
    redis.call('HSET', key, 'parked_until', text(now + math.min(ask.wait, rules.day)), 'parked_by', ask.limit)
  end
  if key == TENANT and ask.limit ~= 'concurrent' then redis.call('HDEL', TENANT, 'known') end
  redis.call('PEXPIRE', key, text(math.ceil(day_kept / 1000)))
end

-- Whoever asks has just started this Redis and all who use it, so no holder is to be waited for.
function command.open()
  redis.call('SET', MEMORY, text(now))
end

-- Returns what is used of each limit, how many calls the pace allows, and what blocks all calls.
function command.look()
  local known, probing = knowledge()
  local tenant_wait, tenant_limit = parked(TENANT)
  local app_wait = parked(APP)
  local paced = rules.limits.minute
  if paces() then
    paced = math.min(3, math.max(0, 1 + math.floor(-pace_wait() * rules.limits.minute / rules.minute)))
  elseif rules.background then
    paced = math.ceil(rules.limits.minute / 2) - in_log(MINUTE, now)
  end
  return {
    redis.call('ZCARD', CALLS), in_log(MINUTE, now), (day_log()), in_log(APP_MINUTE, now), paced,
    known and 1 or 0, probing and 1 or 0, text(math.ceil(closed_for())),
    tenant_limit, text(math.ceil(tenant_wait)), text(math.ceil(app_wait)),
  }
end

tidy()
return command[ARGV[1]]()
