-- A route: by which endpoint changes go. How many one request holds, who is sending it and which group is next are the route's.
-- USES  lane
local R = P .. 'route:' .. ROUTE .. ':'
