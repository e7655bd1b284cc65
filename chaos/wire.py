"""The protocol as a stranger speaks it: one TCP link, JSON in frames, requests with their answers.

It shares no code with the programs, so that both being wrong in the same way shows.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from functools import reduce
from itertools import cycle
from operator import xor
from typing import Any, Self

Message = dict[str, Any]

STX, ETX = b"\x02", b"\x03"

ANSWER_WITHIN = 12.0
"""Seconds in which central answers; it promises 8."""


class Lost(Exception):
    """The link is down, or no answer came: it is not known what became of a request."""


class Wire:
    """A link to central for one who asks, one request at a time. `dial` makes one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, address: str) -> Self:
        """A new link.

        Raises:
            Lost: Nobody answers there.
        """
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return cls(*await asyncio.open_connection(host, int(port)))
        except (OSError, TimeoutError) as error:
            raise Lost(str(error)) from None

    async def ask(self, kind: str, message_id: str, **fields: Any) -> Message:
        """Ask, and return the answer; refusals are answers too.

        Raises:
            Lost: None came. The link is of no use any more.
        """
        content = {"type": kind, "message_id": message_id, "timestamp": int(time.time()), **fields}
        data = json.dumps(content).encode()
        try:
            self._writer.write(STX + data + ETX + bytes([reduce(xor, data)]))
            async with asyncio.timeout(ANSWER_WITHIN):
                while True:
                    answer = await self._read()
                    if answer.get("message_id") == message_id:
                        return answer
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Lost(str(error) or "no answer") from None

    async def _read(self) -> Message:
        frame = await self._reader.readuntil(ETX)
        lrc = await self._reader.readexactly(1)
        assert frame[:1] == STX, frame
        data = frame[1:-1]
        assert lrc[0] == reduce(xor, data), frame
        message: Message = json.loads(data)
        return message

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()


class Caller:
    """One who asks whichever central leads: the next address where one is down or stands by."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = cycle(addresses)
        self._wire: Wire | None = None

    async def ask(self, kind: str, message_id: str, **fields: Any) -> Message:
        """Ask; the next time somewhere else if this fails.

        Raises:
            Lost: No answer came, or it was a standby's.
        """
        if self._wire is None:
            self._wire = await Wire.dial(next(self._addresses))
        try:
            answer = await self._wire.ask(kind, message_id, **fields)
        except Lost:
            self._wire = None
            raise
        if answer.get("error") == "standby":
            self.close()
            raise Lost("it stands by")
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
