-- Which users have changed since a place in the stream that tells of them.
--
-- ARGV: 1 the place, or nothing: only where the stream ends now, 2 how many entries the stream keeps.
-- Returns: 1 where the stream ends, 2 whether there may have been more than it has kept, then the users' names.

local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local news = {newest[1] and newest[1][1] or '0-0', 0}
if ARGV[1] == '' then
    return news
end
local read = redis.call('XREAD', 'STREAMS', KEYS[1], ARGV[1])
local entries = read and read[1][2] or {}
if #entries >= tonumber(ARGV[2]) then
    news[2] = 1
end
for _, entry in ipairs(entries) do
    for i = 1, #entry[2], 2 do
        if entry[2][i] == 'user' then
            news[#news + 1] = entry[2][i + 1]
        end
    end
end
return news
