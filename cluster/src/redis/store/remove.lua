-- Removes the bindings whose flow has failed, or whose node is gone.
--
-- ARGV[3]  what stands in their values
-- Returns  how many live ones were removed
local last, removed = nil, 0
for _, binding in ipairs(live) do
  if string.find(binding.value, ARGV[3], 1, true) then
    gone[#gone + 1] = binding.field
    removed = removed + 1
  else
    last = max(last or 0, binding.expires)
  end
end
if removed > 0 then write({}, last) end
return removed
