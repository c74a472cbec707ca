-- Tells a node that a binding of its own was replaced or removed through another node.
--
-- ARGV     the line that says which, how long it is of use in milliseconds, and how many lines there may be
-- Returns  1: it stands there now, 0: there are too many
local key, line, lasts, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('SCARD', key) >= most then return 0 end
redis.call('SADD', key, line)
if redis.call('PTTL', key) < lasts then
  redis.call('PEXPIRE', key, string.format('%.0f', lasts))
end
return 1
