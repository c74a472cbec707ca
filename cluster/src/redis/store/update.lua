-- The changes that one REGISTER makes: all of them or none.
--
-- ARGV from 3  max_bindings, Call-ID, CSeq, how many bindings are put, field and value of each of these, and the field of
--              each key that is removed; `*` alone instead of these: all are
-- Returns      the bindings that are there besides those put, as field, value, ...; newest update first
--              -1: the update is out of order, -2: the AOR would have too many bindings
local max_bindings, call_id, cseq, puts = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local first_removed = 7 + 2 * puts
local removes_all = ARGV[first_removed] == '*'

local put, last = {}, nil
for i = 7, first_removed - 2, 2 do
  -- The first of an update counts as its newest.
  put[#put + 1] = ARGV[i]
  put[#put + 1] = 'seq=' .. (seq + puts - (i - 7) / 2) .. ' ' .. ARGV[i + 1]
  last = max(last or 0, tonumber((match(ARGV[i + 1], OWN))))
end

local kept = {}
for _, binding in ipairs(live) do
  local field, is_replaced, is_put = binding.field, removes_all, false
  for i = 7, first_removed - 2, 2 do
    is_put = is_put or field == ARGV[i]
    is_replaced = is_replaced or is_put or matches(field, ARGV[i])
  end
  for i = first_removed, #ARGV do
    is_replaced = is_replaced or matches(field, ARGV[i])
  end
  if not is_replaced then
    kept[#kept + 1] = binding
    last = max(last or 0, binding.expires)
  elseif binding.call_id == call_id and cseq <= binding.cseq then
    -- RFC 3261 §10.3 steps 6 and 7: with the stored Call-ID the CSeq must be higher, or the whole update is aborted.
    return -1
  elseif not is_put then
    gone[#gone + 1] = field
  end
end

-- An AOR that has too many since the limit was lowered may still refresh them.
if puts + #kept > max_bindings and puts + #kept > #live then return -2 end

if puts > 0 or #gone > 0 then write(put, last) end

if #kept > 1 then
  table.sort(kept, function(a, b)
    if a.updated ~= b.updated then return a.updated > b.updated end
    return a.seq > b.seq
  end)
end
local reply = {}
for _, binding in ipairs(kept) do
  reply[#reply + 1] = binding.field
  reply[#reply + 1] = binding.value
end
return reply
