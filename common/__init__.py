"""What the programs share, in reading order.

`units` scalars with unit and bounds · `errors` reasons and exceptions · `states` sessions and
connectors · `messages` every message · `protocol` who sends what to whom, over what · `codec`
bytes to messages · `dispatch` messages to handlers · `framing` bytes to frames · `exchange` one
side of a link without its socket · `link`, `listen` and `dial` TCP · `stream` Kafka · `clock` time
and ids · `logs` and `program` what every program does the same · `reference` the generated pages ·
`broker` the embedded broker.
"""
