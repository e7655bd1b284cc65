"""What the monitor has written to `ev.charging`."""

import asyncio
from uuid import uuid4

from confluent_kafka import Consumer

from common.protocol import CHARGING

SOON = 30.0
"""Seconds in which a record that was published can be read, however loaded the machine is."""


async def first_record(bootstrap: str) -> tuple[bytes, bytes]:
    """Key and value of the first record that is there, or comes."""
    return (await records(bootstrap, 1))[0]


async def records(bootstrap: str, count: int) -> list[tuple[bytes, bytes]]:
    """Keys and values of the first records, as soon as there are so many."""
    return await asyncio.to_thread(_read, bootstrap, count)


def _read(bootstrap: str, count: int) -> list[tuple[bytes, bytes]]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": str(uuid4()),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    found: list[tuple[bytes, bytes]] = []
    try:
        consumer.subscribe([CHARGING.name])
        for _ in range(round(SOON / 0.5)):
            record = consumer.poll(0.5)
            if record is not None and record.error() is None:
                key, value = record.key(), record.value()
                assert isinstance(key, bytes)
                assert isinstance(value, bytes)
                found.append((key, value))
                if len(found) == count:
                    return found
        raise AssertionError(f"{len(found)} records within {SOON:g} s, not {count}")
    finally:
        consumer.close()
