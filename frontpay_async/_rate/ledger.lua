-- The window ledger of _rate/ledger.py, in one key for all processes that hold a token, on this
-- server's time. The theory stands there, and a test holds the two to the same verdicts.
--
-- KEYS[1]  the account's key
-- ARGV     command, limit, window, margin, time ('' for this server's), then by command:
--          acquire call priority -> {'granted'} | {'wait', seconds}
--          report call limit count (0 0: no headers) | refused call seconds ('': none) | lost call
--          give_back call | resume
local command, limit, window, margin = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local call = ARGV[6]
local inf = math.huge
local now = tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local stored = redis.call('GET', KEYS[1])
local s = stored and cmsgpack.unpack(stored) or {
  limit = limit, generation = 0, lo = -inf, hi = -inf, own = 0, foreign = 0, foreign_before = 0,
  granted = 0, grants = 0, losses = {}, late = 0, greatest = 0, greatest_at = -inf, older = 0, start = -inf,
  start_count = 0, lo_if_shared = -inf, answered = false, quiet_since = -inf, unknown = true, probing = false,
  gate = -inf, gated_at = -inf, polled_at = -inf, paced_at = -inf, probed_at = -inf, shift = 0, last = -inf, calls = {},
}

-- A system clock that was set back must not hold anything up.
now = now + s.shift
if now < s.last then
  s.shift = s.shift + s.last - now
  now = s.last
end
s.last = now

-- A process that died never tells what came of its calls.
local unanswered = 0
for name, grant in pairs(s.calls) do
  if grant.at < now - 2 * window then s.calls[name] = nil else unanswered = unanswered + 1 end
end

local LINGER, PROBES, RESERVE, BURST, SHARERS = window / 6, window / 12, 0.1, window / 12, 4
local STEADY, KEPT, FIRST_LOOK, LOOK_AGAIN = 1 / 20, 1 / 80, window / 240, window / 60
local POLLING, LEFT_TO_POLLS = window / 4, 0.15

local function lost_since(moment)
  local count = 0
  for _, lost_at in ipairs(s.losses) do
    if lost_at + LINGER > moment then count = count + 1 end
  end
  return count
end

local function used() return s.own + s.foreign end
local function shared() return s.foreign > 0 or s.foreign_before > 0 end

local function window_end()
  if unanswered > 0 then return s.hi end
  return math.min(s.hi, s.quiet_since + window + margin)
end

local function open(start, lo, hi)
  s.generation = s.generation + 1
  s.lo, s.lo_if_shared, s.hi = lo, lo, hi
  s.start, s.start_count = start, 0
  local began, losses = lo - window + margin, {}
  for _, lost_at in ipairs(s.losses) do
    if lost_at + LINGER > began then losses[#losses + 1] = lost_at end
  end
  s.losses = losses
  s.own = unanswered + #losses + s.late
  s.late, s.granted, s.older = 0, 0, 0
  s.foreign_before, s.foreign = s.foreign, 0
  s.greatest, s.greatest_at = 0, -inf
  s.answered = false
end

local function roll()
  if unanswered == 0 and now >= s.quiet_since + window + margin then s.losses, s.late = {}, 0 end
  local began = math.max(s.lo, now - window)
  local earliest = began + window - margin
  local carried = unanswered > 0 or s.late > 0 or lost_since(began) > 0 or s.probing or shared()
  local unknown = s.generation == 0 or s.probing or shared()
  open(now, carried and earliest or now + window - margin, inf)
  s.lo_if_shared = earliest
  s.unknown = unknown
end

local function line_end()
  local known = s.hi == inf or s.hi - s.lo < window / 2
  return known and not shared() and s.lo or s.hi
end

local function due()
  local stop, left = line_end(), s.limit - s.start_count
  if left <= 0 then return stop end
  return s.start + (stop - s.start) * (used() - s.start_count) / left
end

local function catches_up(moment, spoken_for)
  local rest, left = line_end() - now, s.limit - spoken_for
  left = left - math.min(RESERVE * s.limit * rest / window, left / 2)
  if rest <= 0 or left < 1 then return inf end
  if not shared() then return s.paced_at + rest / left end
  return moment > now + BURST and s.paced_at + SHARERS * rest / left or inf
end

local function leaves_polls(priority, spoken_for)
  if priority == 0 or now >= s.polled_at + POLLING then return nil end
  local moment = line_end() - window * (s.limit - spoken_for) / (LEFT_TO_POLLS * s.limit)
  return moment > now and moment or nil
end

local function wait_for_end()
  if not shared() or s.hi - s.lo < PROBES then return window_end() end
  local probe = math.max(s.lo, s.probed_at + PROBES)
  if now < probe then return math.min(probe, window_end()) end
  s.probed_at = now
  return nil
end

local function kept()
  local uncertain = PROBES < s.hi - s.lo and s.hi - s.lo < window / 2
  return uncertain and not shared() and math.floor(KEPT * s.limit) or 0
end

local function look_for_end()
  if kept() == 0 or s.own >= s.limit then return s.hi end
  local stop = s.start + window
  local moment = math.max(s.lo, stop + FIRST_LOOK)
  if s.probed_at > s.start then moment = s.probed_at + math.max(LOOK_AGAIN, s.probed_at - stop) end
  if now < moment then return math.min(moment, s.hi) end
  s.probed_at = now
  return nil
end

local function must_wait(priority)
  if s.unknown then
    local allowed = 1
    if not s.probing then
      allowed = 1 + (now - s.start) * s.limit / window
      if priority <= 1 then allowed = allowed + 8 end
    end
    if s.granted + 1 <= allowed and used() < s.limit then return nil end
    return now + window / s.limit
  end
  local expected = 0
  if shared() then
    expected = math.max(s.foreign, s.foreign_before) / window * (now - math.max(s.greatest_at, s.start))
  elseif now >= s.lo and priority ~= 0 and s.hi - s.lo < window / 2 then
    return look_for_end()
  end
  local paced = priority > 1
  local spoken_for = used() + expected + (paced and math.sqrt(expected) or 0)
  local goes_on = math.min(s.foreign, s.foreign_before) >= STEADY * s.limit
  if spoken_for >= s.limit or (goes_on and spoken_for > s.limit - 1) then
    return wait_for_end()
  end
  if priority ~= 0 and used() >= s.limit - kept() and now < s.lo then return s.lo end
  if not paced then return leaves_polls(priority, used() + expected) end
  local moment = due()
  if now < moment then moment = math.min(moment, catches_up(moment, used() + expected)) end
  if now >= moment then return nil end
  return moment
end

local function note_answer()
  s.hi = math.min(s.hi, now + window + margin)
  s.answered, s.unknown = true, false
end

local function bound(grant, count)
  s.own = math.min(s.own, count + grant.open + s.grants - grant.number)
end

local function take_in_first(grant, stop, small)
  if small and now < stop then
    s.hi, s.late = inf, 0
    s.greatest, s.greatest_at, s.older = 0, -inf, s.granted
  elseif small then
    if s.granted ~= 1 or unanswered > 0 or #s.losses > 0 then return end
    s.late = s.late - 1
  end
  if stop >= s.lo then s.lo, s.lo_if_shared, s.start = stop, stop, grant.at end
end

local function take_in(grant, told, count)
  s.limit = told
  local small = now >= s.lo and not shared() and count <= s.late + unanswered + lost_since(s.lo) + 1
  if small then s.late = s.late + 1 end
  if grant.generation ~= s.generation or grant.order <= s.older then
    if count > used() then s.own = s.own - 1 end
    bound(grant, count)
    return
  end
  local stop = grant.at + window - margin
  local first = not s.answered
  if count <= grant.floor or (count == 1 and stop > s.hi) then
    local since = count == 1 and grant.at or math.max(s.lo, grant.floor_at)
    if not small then s.late = s.late + 1 end
    open(since, since + window - margin, inf)
    first = true
  elseif count == 1 then
    take_in_first(grant, stop, small)
  elseif not small and count > s.greatest then
    s.lo = math.max(s.lo, grant.at)
    s.lo_if_shared = math.max(s.lo_if_shared, grant.at)
  end
  note_answer()
  bound(grant, count)
  if count > s.own or shared() then
    if s.foreign == 0 then s.lo = math.min(s.lo, s.lo_if_shared) end
    local after = math.max(0, math.min(unanswered, s.granted - grant.order))
    s.foreign = math.max(s.foreign, count - (s.own - after))
  end
  if first and shared() then s.start, s.start_count = now, count end
  if count > s.greatest then s.greatest, s.greatest_at = count, grant.at end
end

local function refuse(grant, asked)
  if grant.at <= s.gated_at then return end
  local lo, hi = grant.at, now + window + margin
  if asked and asked <= window then
    lo = math.max(lo, lo + asked - 1)
    hi = math.min(hi, now + asked + 1)
  end
  if math.max(lo, s.lo) <= math.min(hi, s.hi) then lo, hi = math.max(lo, s.lo), math.min(hi, s.hi) end
  s.lo, s.lo_if_shared = lo, lo
  s.hi = math.max(hi, now)
  s.gate, s.gated_at = s.hi, now
  s.own = math.max(s.own, s.limit - s.foreign)
  s.probing = true
end

local answer = {}
if command == 'acquire' then
  local wait = nil
  if now < s.gate then
    wait = s.gate
  else
    if now >= window_end() then roll() end
    wait = must_wait(tonumber(ARGV[7]))
  end
  if wait then
    answer = {'wait', string.format('%.17g', wait - now)}
  else
    if tonumber(ARGV[7]) > 1 then s.paced_at = now end
    if tonumber(ARGV[7]) == 2 then s.polled_at = now end
    local earlier = unanswered + lost_since(now)
    s.own, s.granted, s.grants = s.own + 1, s.granted + 1, s.grants + 1
    s.calls[call] = {
      at = now, generation = s.generation, order = s.granted, floor = s.greatest, floor_at = s.greatest_at,
      number = s.grants, open = earlier,
    }
    answer = {'granted'}
  end
elseif command == 'resume' then
  -- What went past these books meanwhile is not in them.
  s.unknown, s.granted, s.older, s.start = true, 0, 0, now
elseif s.calls[call] then
  local grant = s.calls[call]
  s.calls[call] = nil
  unanswered = unanswered - 1
  if command == 'give_back' then
    s.own = s.own - 1
    if grant.generation == s.generation then s.granted = s.granted - 1 end
  else
    s.quiet_since = now
    if command == 'lost' then
      s.losses[#s.losses + 1] = now
      s.probing = false
    elseif command == 'refused' then
      refuse(grant, tonumber(ARGV[7]))
    else
      s.probing = false
      local count = tonumber(ARGV[8])
      if count > 0 then
        take_in(grant, tonumber(ARGV[7]), count)
      else
        if now >= s.lo then s.late = s.late + 1 end
        if grant.generation == s.generation then note_answer() end
      end
    end
  end
end
redis.call('SET', KEYS[1], cmsgpack.pack(s), 'PX', math.ceil(window * 10000))
return answer
