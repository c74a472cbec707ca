-- The leases of all nodes, one hash: node -> line. Renews, takes or gives up one, and returns all that are live.
--
-- A live lease:  epoch=E run=R at=HOST:PORT <what the node says of itself> beat=MS until=MS seq=N
-- One that was found over stays for a day, so that no epoch is used twice:  over=MS epoch=E
-- And one field that is no node, as no node's name has a colon:  :watch -> last=MS since=MS
--
-- Time is this Redis's own. Whoever runs this watches over all leases. While nobody did (Redis was away, or hung) no node
-- could renew its lease, so none is over until all have had their time again, counted from `since`.
--
-- ARGV: 1 renew | read | leave, 2 the time of a lease in ms, then for renew and leave 3 node, 4 run, and for renew
-- 5 at, 6 the epoch held, or 0, 7 the number of the last beat confirmed, 8 that of this beat, 9 what the node says.
-- Returns: 1 what was done, 2 the epoch held, 3 now in ms, 4 who refuses, then node and line of each live lease.

local DAY = 24 * 3600 * 1000
local leases, action, lasts, node = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number)
    return string.format('%.0f', number)
end

local function field(line, name)
    return tonumber(string.match(' ' .. line, ' ' .. name .. '=(%d+)'))
end

local watch = redis.call('HGET', leases, ':watch') or ''
local last, since = field(watch, 'last'), field(watch, 'since')
if not since or now - last > lasts / 2 or last > now then
    since = now
end
redis.call('HSET', leases, ':watch', 'last=' .. text(now) .. ' since=' .. text(since))

-- A lease from the future is one from before this Redis's clock was set back. It need not last that much longer.
local function is_over(line)
    local beat, ends = field(line, 'beat') or 0, field(line, 'until') or 0
    return (ends <= now and since + lasts <= now) or beat > now + lasts
end

local all, live, mine = redis.call('HGETALL', leases), {}, nil
for n = 1, #all, 2 do
    local name, line = all[n], all[n + 1]
    local over = field(line, 'over')
    if name == ':watch' then
        over = nil
    elseif over then
        if now - over > DAY then
            redis.call('HDEL', leases, name)
        end
    elseif field(line, 'epoch') then
        if is_over(line) then
            line = 'over=' .. text(now) .. ' epoch=' .. text(field(line, 'epoch'))
            redis.call('HSET', leases, name, line)
        elseif name ~= node or action == 'read' then
            live[#live + 1] = name
            live[#live + 1] = line
        end
    end
    if name == node then
        mine = line
    end
end

local function answer(done, epoch, by)
    return { done, text(epoch), text(now), by or '', unpack(live) }
end

if action == 'read' then
    return answer('read', 0)
end

local run = tonumber(ARGV[4])
if action == 'leave' then
    if mine and not field(mine, 'over') and field(mine, 'run') == run then
        redis.call('HDEL', leases, node)
    end
    return answer('left', 0)
end

local at, says = ARGV[5], ARGV[9]
local held, confirmed, number = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local done, epoch = 'held', held
if not mine or not field(mine, 'epoch') then
    done = 'nothing'
elseif field(mine, 'over') then
    done = 'over'
else
    local its_run, seq, its_at = field(mine, 'run') or 0, field(mine, 'seq') or 0, string.match(mine, ' at=(%S+)')
    -- Another address is another node with this name. This address is a run of this node, and the later one of two that
    -- have both held the lease is the one that goes on.
    if its_at ~= at or (held > 0 and its_run > run) then
        live[#live + 1] = node
        live[#live + 1] = mine
        return answer('refused', 0, its_at)
    elseif its_run ~= run then
        done = 'another'
    elseif seq >= number then
        -- This one was overtaken on its way by a later one, and nobody waits for its answer any more.
        return answer('stale', 0)
    elseif held > 0 and field(mine, 'epoch') ~= held then
        done = 'older'
    elseif seq < confirmed then
        done = 'older'
    else
        epoch = field(mine, 'epoch')
    end
end
if done ~= 'held' then
    local stored = mine and field(mine, 'epoch') or 0
    epoch = math.max(run, stored + 1)
    if held > 0 then
        epoch = math.max(epoch, held + 1, now)
    end
end
local line = 'epoch=' .. text(epoch) .. ' run=' .. text(run) .. ' at=' .. at .. ' ' .. says .. ' beat=' .. text(now)
    .. ' until=' .. text(now + lasts) .. ' seq=' .. text(number)
redis.call('HSET', leases, node, line)
live[#live + 1] = node
live[#live + 1] = line
return answer(done, epoch)
