-- For wrk, with a path and the highest id: another user in each request, by the same numbers as in workloads.ts.
local id = 1
local before, after, highest

function init(args)
  before, after = args[1]:match("^(.*):id(.*)$")
  highest = tonumber(args[2])
end

function request()
  id = id * 48271 % 2147483647
  return wrk.format("GET", before .. (id % highest + 1) .. after)
end
