-- Gives a node what it was told, and forgets what it has seen to.
--
-- ARGV[1]  how many lines it takes; the others are lines that it has seen to, `*` alone: all that there are
-- Returns  lines
local key, most = KEYS[1], tonumber(ARGV[1])
if ARGV[2] == '*' then
  redis.call('DEL', key)
elseif #ARGV > 1 then
  redis.call('SREM', key, unpack(ARGV, 2))
end
return redis.call('SRANDMEMBER', key, most)
