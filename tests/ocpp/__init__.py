"""The gateway from outside: charge points that others wrote, on real programs, Kafka and Redis.

Reading order:

- `point`: a charge point of the package `ocpp`, which records what it is asked
- `network`: central and gateways as processes, and an operator who speaks frames
- `calls`: every call of OCPP 1.6 and of its security extension, up and down, with its answer
- `queue`: a charge point that keeps what it could not deliver, and the books of what it metered
- `test_up`, `test_down`: each call, end to end
- `test_frames`, `test_lenient`: what is not OCPP, or nearly
- `test_security`: passwords and certificates
- `test_connections`: two at once, half-open ones, another gateway
- `test_deaths`: a gateway, Redis and Kafka are killed while transactions run
- `test_example`: what the README shows
- `test_nonsense`: mutated frames, a short run of `make fuzz-gateway`
"""
