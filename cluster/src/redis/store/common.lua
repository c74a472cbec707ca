-- What all scripts on an AOR start with: they read its hash and part what lives from what has expired.
--
-- KEYS[1]  the AOR's hash
-- ARGV     now and remember, both in milliseconds; what follows is the script's own
local key, now, remember = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

-- The longest time to live that is set, so that no arithmetic comes near what Redis refuses: ten years.
local LONGEST = 315360000000

-- What a binding's value starts with. Numbers are compared, never written: Lua would write large ones as 1.7e+12.
local HEAD = 'expires=(%d+) updated=(%d+) cseq=(%d+) call%-id=(%S*) '

local live, expired, last_expired, seq, was_ended = {}, {}, nil, 0, false
local stored = redis.call('HGETALL', key)
for i = 1, #stored, 2 do
  local field, value = stored[i], stored[i + 1]
  local its_seq, expires, updated, cseq, call_id = string.match(value, '^seq=(%d+) ' .. HEAD)
  if field == 'ended' then
    was_ended = true
  elseif its_seq then
    expires, its_seq = tonumber(expires), tonumber(its_seq)
    if expires > now then
      live[#live + 1] = {
        field = field, value = value, seq = its_seq, expires = expires,
        updated = tonumber(updated), cseq = tonumber(cseq), call_id = call_id,
      }
      seq = math.max(seq, its_seq)
    else
      expired[#expired + 1] = field
      last_expired = math.max(last_expired or 0, expires)
    end
  end
end

-- Whether two fields name the same binding. RFC 3261 §19.1.4: of Contact URIs, a parameter on both sides must have the
-- same value, one on one side only counts for nothing.
local function matches(field, other)
  if field == other then return true end
  local core, params = string.match(field, '^contact=(%S*) params=(%S*)$')
  local other_core, other_params = string.match(other, '^contact=(%S*) params=(%S*)$')
  if not core or core ~= other_core then return false end
  for name, value in string.gmatch(params, ';([^;=]*)=([^;]*)') do
    for other_name, other_value in string.gmatch(other_params, ';([^;=]*)=([^;]*)') do
      if name == other_name and value ~= other_value then return false end
    end
  end
  return true
end

-- Puts and deletes fields, notes when the last binding ended, and lets the key live as long as it is of use. `put` is a
-- list of field, value, ...; `gone` of fields; `last` is when the last binding that is there now will expire, if any.
-- What Redis may refuse for want of memory comes first: then nothing was done.
local function write(put, gone, last)
  if #put > 0 then
    redis.call('HSET', key, unpack(put))
  end
  if last then
    if was_ended then gone[#gone + 1] = 'ended' end
  else
    last = #live > 0 and now or last_expired
    -- Without memory a binding can still be removed. The AOR is then forgotten at once.
    redis.pcall('HSET', key, 'ended', string.format('%.0f', last))
  end
  if #gone > 0 then
    redis.call('HDEL', key, unpack(gone))
  end
  redis.call('PEXPIRE', key, string.format('%.0f', math.min(last - now + remember, LONGEST)))
end
