-- Puts bindings back that a node knows of, each unless a newer one is there in its place.
--
-- ARGV from 3  field and value of each binding, newest first
-- Returns      how many were put
local puts = (#ARGV - 2) / 2
local put, last, is_replaced = {}, 0, {}
for i = 3, #ARGV, 2 do
  local expires, updated, cseq, call_id = match(ARGV[i + 1], OWN)
  expires, updated, cseq = tonumber(expires), tonumber(updated), tonumber(cseq)
  local is_older, matched = expires <= now, {}
  for _, binding in ipairs(live) do
    if matches(binding.field, ARGV[i]) then
      matched[#matched + 1] = binding
      -- Two nodes' clocks differ, a UA's CSeq does not.
      if binding.call_id == call_id then
        is_older = is_older or binding.cseq > cseq
      else
        is_older = is_older or binding.updated > updated
      end
    end
  end
  if not is_older then
    for _, binding in ipairs(matched) do is_replaced[binding] = true end
    put[#put + 1] = ARGV[i]
    put[#put + 1] = 'seq=' .. (seq + puts - (i - 3) / 2) .. ' ' .. ARGV[i + 1]
    last = max(last, expires)
  end
end
if #put == 0 then return 0 end

for _, binding in ipairs(live) do
  if is_replaced[binding] then
    gone[#gone + 1] = binding.field
  else
    last = max(last, binding.expires)
  end
end
write(put, last)
return #put / 2
