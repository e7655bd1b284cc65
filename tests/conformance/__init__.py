"""Conformance of ev-central with the protocol, seen from outside.

Nothing here imports the project: the suite plays monitors (with the engine behind
them), drivers and operators on raw sockets and Kafka records against a real
`ev-central`. What it expects was written down from the protocol alone.

In reading order: `peer` (frames and one TCP connection), `records` (Kafka), `central`
(the process), `roles` (who one can play), `conftest` (fixtures), then the promises.
"""
