"""The adapter to Kafka keeps what it promises, on a real broker.

`waiting` waits for what comes about; `topics` makes and drops topics; `fakes` is a producer that
fails as it is told.
"""
