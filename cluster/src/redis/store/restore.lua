-- Puts bindings back that a node knows of, each unless a newer one is there in its place.
--
-- ARGV from 3  field and value of each binding, newest first
-- Returns      how many were put
local puts = (#ARGV - 2) / 2
local put, is_put, gone, last = {}, {}, expired, nil
local replaced = {}
for i = 3, #ARGV, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local expires, updated, cseq, call_id = string.match(value, '^' .. HEAD)
  expires, updated, cseq = tonumber(expires), tonumber(updated), tonumber(cseq)
  local is_older = expires <= now
  for _, binding in ipairs(live) do
    if matches(binding.field, field) then
      -- Two nodes' clocks differ, a UA's CSeq does not.
      if binding.call_id == call_id then
        is_older = is_older or binding.cseq > cseq
      else
        is_older = is_older or binding.updated > updated
      end
    end
  end
  if not is_older then
    for _, binding in ipairs(live) do
      if matches(binding.field, field) then replaced[binding] = true end
    end
    put[#put + 1] = field
    put[#put + 1] = string.format('seq=%.0f ', seq + puts - (i - 3) / 2) .. value
    is_put[field] = true
    last = math.max(last or 0, expires)
  end
end
if #put == 0 then return 0 end

for _, binding in ipairs(live) do
  if not replaced[binding] then
    last = math.max(last, binding.expires)
  else
    gone[#gone + 1] = binding.field
  end
end
local deleted = {}
for _, field in ipairs(gone) do
  if not is_put[field] then deleted[#deleted + 1] = field end
end
write(put, deleted, last)
return #put / 2
