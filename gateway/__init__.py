"""The gateway: holds the WebSockets of OCPP charge points, translates, and decides nothing.

In reading order. `ocppj` frames to structs and back · `calls` one open call per direction ·
`version` what a version of OCPP says of itself · `v16` what OCPP 1.6 says · `opening` the request
that opens a WebSocket · `passwords` and `access` who may · `door` a connection until it is open ·
`link` one charge point's, once it is · `ending` why it ends · `connections` those of this node ·
`registry` who is connected where · `pings` who is silent · `waiting` a call until it is answered ·
`uplink` and `downlink` to and from Kafka · `commands` what central wants done · `desk` all that
links share · `places` for how many there is room · `sockets` and `server` the port · `workers`
several nodes on one port · `drain` the orderly end · `frames` for inspection · `counts` and
`health` for those who watch · `settings` what it is told · `app` the wiring.
"""
