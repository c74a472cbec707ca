-- Removes the bindings whose flow has failed, or whose node is gone.
--
-- ARGV[4]  what stands in their values
-- ARGV[5]  if there: only those that were updated until then
-- Returns  how many live ones were removed
local until_then = ARGV[5] and tonumber(ARGV[5]) or math.huge
local last, removed = nil, 0
for _, binding in ipairs(live) do
  if binding.updated <= until_then and string.find(binding.value, ARGV[4], 1, true) then
    gone[#gone + 1] = binding.field
    removed = removed + 1
  else
    last = max(last or 0, binding.expires)
  end
end
if removed > 0 then write({}, last) end
return removed
