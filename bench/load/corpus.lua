-- Sends a corpus (corpus.ts) with wrk, request by request, round after round, with its stamps filled in.
--
-- Arguments: the corpus file; unix seconds after which to stop sending, 0 for never. At that time it prints "sent
-- <requests>" on stderr and requests /health from then on, because wrk has no other way to pause. At the end it prints
-- what wrk has counted as a line of JSON.

local EVENT, ROUND, LINE_END = '\1', '\2', '\3'
local IDLE = 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'

-- A request in parts: constant text, and which stamp follows it.
local requests = {}
local deadline = 0
local at, round, sent = 0, 0, 0
-- wrk asks for one request that it does not send, to check that it is well formed.
local tried, ended = false, false

local function split(line)
  local parts = {}
  local from = 1
  while true do
    local stamp = string.find(line, '[\1\2]', from)
    if not stamp then break end
    parts[#parts + 1] = string.sub(line, from, stamp - 1)
    parts[#parts + 1] = string.sub(line, stamp, stamp)
    from = stamp + 1
  end
  parts[#parts + 1] = string.sub(line, from)
  return parts
end

function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] = split((string.gsub(line, LINE_END, '\r\n')))
  end
  deadline = tonumber(args[2])
end

function request()
  if not tried then
    tried = true
    return IDLE
  end
  if ended then return IDLE end
  if deadline > 0 and sent % 64 == 0 and os.time() >= deadline then
    ended = true
    io.stderr:write('sent ' .. sent .. '\n')
    io.stderr:flush()
    return IDLE
  end
  at = at + 1
  if at > #requests then
    at = 1
    round = round + 1
  end
  sent = sent + 1
  local parts = requests[at]
  local count = #parts
  if count == 1 then return parts[1] end
  local event, ofRound = string.format('%012x', sent - 1), string.format('%012x', round)
  local text = parts[1]
  for i = 2, count - 1, 2 do
    text = text .. (parts[i] == EVENT and event or ofRound) .. parts[i + 1]
  end
  return text
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"failed":%d,"broken":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
