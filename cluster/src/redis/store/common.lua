-- What all scripts on an AOR start with: they read its hash and part what lives from what has expired.
--
-- KEYS[1]  the AOR's hash
-- ARGV     now, remember, and until when this may run, all in milliseconds; what follows is the script's own
-- Returns  -3: it came too late to run
local key, now, remember, latest = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- Who sent it has given it up by then, and may have acted on that. This alone goes by Redis's own clock; 0: any time.
if latest > 0 then
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > latest then return -3 end
end

-- The longest time to live that is set, so that no arithmetic comes near what Redis refuses: ten years.
local LONGEST = 315360000000

-- What the value of a binding starts with, and what of that the node writes.
local OWN = 'expires=(%d+) updated=(%d+) cseq=(%d+) call%-id=(%S*) '
local STORED = '^seq=(%d+) ' .. OWN
OWN = '^' .. OWN

-- The bindings that live; the fields that the script is to delete, to begin with those that have expired; when the last of
-- these did; the highest `seq`; whether it is noted when the last binding ended.
local live, gone, last_expired, seq, is_ended = {}, {}, nil, 0, false
local match, max = string.match, math.max
local stored = redis.call('HGETALL', key)
for i = 1, #stored, 2 do
  local field, value = stored[i], stored[i + 1]
  local its_seq, expires, updated, cseq, call_id = match(value, STORED)
  if its_seq then
    expires, its_seq = tonumber(expires), tonumber(its_seq)
    if expires > now then
      live[#live + 1] = {
        field = field, value = value, seq = its_seq, expires = expires,
        updated = tonumber(updated), cseq = tonumber(cseq), call_id = call_id,
      }
      if its_seq > seq then seq = its_seq end
    else
      gone[#gone + 1] = field
      last_expired = max(last_expired or 0, expires)
    end
  elseif field == 'ended' then
    is_ended = true
  end
end

-- Whether two fields name the same binding. RFC 3261 §19.1.4: of Contact URIs, a parameter on both sides must have the
-- same value, one on one side only counts for nothing.
local function matches(field, other)
  if field == other then return true end
  local core, params = match(field, '^contact=(%S*) params=(%S*)$')
  local other_core, other_params = match(other, '^contact=(%S*) params=(%S*)$')
  if not core or core ~= other_core then return false end
  for name, value in string.gmatch(params, ';([^;=]*)=([^;]*)') do
    for other_name, other_value in string.gmatch(other_params, ';([^;=]*)=([^;]*)') do
      if name == other_name and value ~= other_value then return false end
    end
  end
  return true
end

-- Sets fields, deletes those that are gone, notes when the last binding ended, and lets the key live for as long as it is
-- of use. `put` is a list of field, value, ... and `last` is when the last binding that is there now will expire, if any.
-- What Redis may refuse for want of memory comes first: then nothing was done.
local function write(put, last)
  if #put > 0 then
    redis.call('HSET', key, unpack(put))
  end
  if last then
    if is_ended then gone[#gone + 1] = 'ended' end
  else
    last = #live > 0 and now or last_expired
    -- Without memory a binding can still be removed. The AOR is then forgotten at once.
    redis.pcall('HSET', key, 'ended', string.format('%.0f', last))
  end
  if #gone > 0 then
    -- What was put in its own place is not gone.
    local deleted, is_put = {}, {}
    for i = 1, #put, 2 do is_put[put[i]] = true end
    for _, field in ipairs(gone) do
      if not is_put[field] then deleted[#deleted + 1] = field end
    end
    if #deleted > 0 then redis.call('HDEL', key, unpack(deleted)) end
  end
  redis.call('PEXPIRE', key, math.min(last - now + remember, LONGEST))
end
