-- The changes that one REGISTER makes: all of them or none.
--
-- ARGV from 3  max_bindings, Call-ID, CSeq, how many bindings are put, field and value of each of these, and the field of
--              each key that is removed; `*` alone instead of these: all are
-- Returns      the bindings that are there besides those put, as field, value, ...; newest update first
--              -1: the update is out of order, -2: the AOR would have too many bindings
local max_bindings, call_id, cseq, puts = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])

-- RFC 3261 §10.3 steps 6 and 7: with the stored Call-ID the CSeq must be higher, or the whole update is aborted.
local function is_late(binding)
  return binding.call_id == call_id and cseq <= binding.cseq
end

local first_removed = 7 + 2 * puts
local replaced = {}
for _, binding in ipairs(live) do
  local is_replaced = ARGV[first_removed] == '*'
  for i = 7, first_removed - 2, 2 do
    is_replaced = is_replaced or matches(binding.field, ARGV[i])
  end
  for i = first_removed, #ARGV do
    is_replaced = is_replaced or matches(binding.field, ARGV[i])
  end
  if is_replaced and is_late(binding) then return -1 end
  replaced[binding] = is_replaced
end

local kept, gone, last = {}, expired, nil
local put, is_put = {}, {}
for i = 7, first_removed - 2, 2 do
  -- The first of an update counts as its newest.
  local its_seq = seq + puts - (i - 7) / 2
  put[#put + 1] = ARGV[i]
  put[#put + 1] = string.format('seq=%.0f ', its_seq) .. ARGV[i + 1]
  is_put[ARGV[i]] = true
  last = math.max(last or 0, tonumber((string.match(ARGV[i + 1], '^' .. HEAD))))
end
for _, binding in ipairs(live) do
  if not replaced[binding] then
    kept[#kept + 1] = binding
    last = math.max(last or 0, binding.expires)
  else
    gone[#gone + 1] = binding.field
  end
end

-- An AOR that has too many since the limit was lowered may still refresh them.
if puts + #kept > max_bindings and puts + #kept > #live then return -2 end

if puts > 0 or #gone > 0 then
  local deleted = {}
  for _, field in ipairs(gone) do
    if not is_put[field] then deleted[#deleted + 1] = field end
  end
  write(put, deleted, last)
end

table.sort(kept, function(a, b)
  if a.updated ~= b.updated then return a.updated > b.updated end
  return a.seq > b.seq
end)
local reply = {}
for _, binding in ipairs(kept) do
  reply[#reply + 1] = binding.field
  reply[#reply + 1] = binding.value
end
return reply
