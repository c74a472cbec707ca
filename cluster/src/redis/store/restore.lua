-- Puts bindings back that a node knows of, each unless a newer one is there in its place.
--
-- ARGV from 4  field and value of each binding, newest first
-- Returns      for each: 1 it is there now, 2 it was there, 0 a newer one is, or it has expired
local puts = (#ARGV - 3) / 2
local put, last, is_replaced, reply = {}, 0, {}, {}
for i = 4, #ARGV, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local expires, updated, cseq, call_id = match(value, OWN)
  expires, updated, cseq = tonumber(expires), tonumber(updated), tonumber(cseq)
  local is_older, is_there, matched = expires <= now, false, {}
  for _, binding in ipairs(live) do
    if matches(binding.field, field) then
      matched[#matched + 1] = binding
      if binding.call_id == call_id then
        -- Two nodes' clocks differ, a UA's CSeq does not.
        is_older = is_older or binding.cseq > cseq
      else
        -- Of two of the same millisecond the one that is there has won already.
        is_older = is_older or binding.updated >= updated
      end
      is_there = is_there or (binding.field == field and binding.value == 'seq=' .. binding.seq .. ' ' .. value)
    end
  end
  if is_older then
    reply[#reply + 1] = 0
  elseif is_there then
    reply[#reply + 1] = 2
  else
    reply[#reply + 1] = 1
    for _, binding in ipairs(matched) do is_replaced[binding] = true end
    put[#put + 1] = field
    put[#put + 1] = 'seq=' .. (seq + puts - (i - 4) / 2) .. ' ' .. value
    last = max(last, expires)
  end
end
if #put == 0 then return reply end

for _, binding in ipairs(live) do
  if is_replaced[binding] then
    gone[#gone + 1] = binding.field
  else
    last = max(last, binding.expires)
  end
end
write(put, last)
return reply
