-- For wrk: another user in each request, by the same numbers as in workloads.ts.
local id = 1
request = function()
  id = id * 48271 % 2147483647
  return wrk.format("GET", "/users/" .. (id % 10000 + 1))
end
