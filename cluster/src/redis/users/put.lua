-- Fields of a hash in the place of others; what else it has stays.
--
-- ARGV: 1 how many fields go, then these, then those that come, each with its value.

local gone = tonumber(ARGV[1])
for i = 2, gone + 1 do
    redis.call('HDEL', KEYS[1], ARGV[i])
end
for i = gone + 2, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 0
