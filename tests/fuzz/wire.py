"""A record as bytes on Kafka's wire: what no client library would let anybody write."""

import socket
import struct
import time

PRODUCE, VERSION = 0, 3
WITHIN = 10.0


def produce(
    bootstrap: str,
    topic: str,
    partition: int,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[bytes, bytes | None]],
) -> None:
    """Store one record; the leader of the partition must be at `bootstrap`."""
    batch = _batch(_record(key, value, headers))
    body = struct.pack(">hhi", -1, -1, 10_000)  # no transaction, all replicas, milliseconds
    body += struct.pack(">i", 1) + _text(topic) + struct.pack(">ii", 1, partition)
    body += struct.pack(">i", len(batch)) + batch
    request = struct.pack(">hhi", PRODUCE, VERSION, 1) + _text("fuzz") + body
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), WITHIN) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = _read(connection, struct.unpack(">i", _read(connection, 4))[0])
    # Correlation id, one topic with its name, one partition with its number, then the error.
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    (error,) = struct.unpack_from(">h", answer, at)
    assert error == 0, f"Kafka answers {error}"


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "Kafka hung up"
        data += more
    return data


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _varint(number: int) -> bytes:
    left = number << 1 ^ number >> 63
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def _sized(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def _record(
    key: bytes | None, value: bytes | None, headers: list[tuple[bytes, bytes | None]]
) -> bytes:
    content = b"\0" + _varint(0) + _varint(0) + _sized(key) + _sized(value) + _varint(len(headers))
    for name, text in headers:
        content += _sized(name) + _sized(text)
    return _sized(content)


def _batch(record: bytes) -> bytes:
    now = int(time.time() * 1000)
    tail = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    head = struct.pack(">ibI", -1, 2, _crc32c(tail))  # leader's epoch, format, checksum
    return struct.pack(">qi", 0, len(head) + len(tail)) + head + tail


def _crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, which is not zlib's."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
