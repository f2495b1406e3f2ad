-- Generates the load with wrk: POST of $BODY, or GET with $TOKEN. Ends with one line of JSON, like sockets.mjs.

function init()
    local body = os.getenv("BODY")
    if body then
        wrk.method, wrk.body = "POST", body
        wrk.headers["Content-Type"] = "application/json"
    else
        wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
    end
end

-- Times are in microseconds; os.clock() is the processor time of wrk.
function done(summary, latency)
    local errors = summary.errors
    print(string.format(
        '{"answers":%d,"bad":%d,"micros":%d,"p50":%d,"p99":%d,"processor":%d}',
        summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        summary.duration,
        latency:percentile(50),
        latency:percentile(99),
        os.clock() * 1e6
    ))
end
