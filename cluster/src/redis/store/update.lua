-- The changes that one REGISTER makes: all of them or none.
--
-- ARGV from 4  max_bindings, Call-ID, CSeq, what stands in the values of this node's bindings, how many bindings are put,
--              field and value of each of these, and the field of each key that is removed; `*` alone instead of these: all
-- Returns      the bindings that are there besides those put, as field, value, ...; newest update first
--              -field, value, ... of each that is gone and was another node's
--              updated, ms: if those that were put are stored as of then
--              -1: the update is out of order, -2: the AOR would have too many bindings
local max_bindings, call_id, cseq, mine = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]), ARGV[7]
local puts, first_put = tonumber(ARGV[8]), 9
local first_removed = first_put + 2 * puts
local removes_all = ARGV[first_removed] == '*'

local kept, last, moved, latest_replaced = {}, nil, {}, 0
for _, binding in ipairs(live) do
  local field, is_replaced, is_put = binding.field, removes_all, false
  for i = first_put, first_removed - 2, 2 do
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
  else
    if not is_put then gone[#gone + 1] = field end
    if binding.call_id ~= call_id then latest_replaced = max(latest_replaced, binding.updated) end
    if not string.find(binding.value, mine, 1, true) then moved[#moved + 1] = binding end
  end
end

-- An AOR that has too many since the limit was lowered may still refresh them.
if puts + #kept > max_bindings and puts + #kept > #live then return -2 end

-- What comes later replaces what came earlier, also where the clocks of two nodes say the opposite: a node that puts the
-- earlier one back must see that it is. Within a Call-ID the CSeq says so.
local put, updated = {}, nil
for i = first_put, first_removed - 2, 2 do
  local value = ARGV[i + 1]
  local expires, its_updated = match(value, OWN)
  if latest_replaced > tonumber(its_updated) then
    updated = string.format('%.0f', latest_replaced + 1)
    value = string.gsub(value, 'updated=%d+', 'updated=' .. updated, 1)
  end
  -- The first of an update counts as its newest.
  put[#put + 1] = ARGV[i]
  put[#put + 1] = 'seq=' .. (seq + puts - (i - first_put) / 2) .. ' ' .. value
  last = max(last or 0, tonumber(expires))
end

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
for _, binding in ipairs(moved) do
  reply[#reply + 1] = '-' .. binding.field
  reply[#reply + 1] = binding.value
end
if updated then
  reply[#reply + 1] = 'updated'
  reply[#reply + 1] = updated
end
return reply
