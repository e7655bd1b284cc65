"""Gateways are told which charge points to let in: all at the start, then each change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from central.credentials import Credentials, hash_of, matches
from central.gateways import access
from central.gateways.access import ANYBODY, Access
from central.store import Store
from central.store import credentials as stored
from common.codec import decoder, encode
from common.errors import Reason, Refused
from common.exchange import stamped
from common.gateway_messages import ChargePointAccess
from common.protocol import ACCESS, CENTRAL, GATEWAY, Topic
from common.stream import Headers, Publisher, Record, Subscription
from tests.central.parts import MovedClock, eventually

PASSWORD = "a password of 22 chars"
_access = decoder(CENTRAL, GATEWAY, ACCESS)


class Told:
    """`ev.access` in memory: the latest record of each key, as compaction leaves it.

    Attributes:
        order: The keys, in the order in which they were told.
        full: How many of the next records are not taken.
    """

    def __init__(self) -> None:
        self.latest: dict[str, ChargePointAccess] = {}
        self.order: list[str] = []
        self.full = 0

    def publish(
        self, topic: Topic, key: str, value: bytes, headers: Headers | None = None
    ) -> asyncio.Future[None]:
        assert topic is ACCESS
        assert dict(headers or ())["epoch"] == "1"
        if self.full:
            self.full -= 1
            raise Refused(Reason.OVERLOADED, "full")
        message = _access.decode(value)
        assert isinstance(message, ChargePointAccess)
        assert message.cp_id == key
        self.latest[key] = message
        self.order.append(key)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def lets_in(self, cp_id: str, password: str) -> bool:
        """Whether a gateway would."""
        known = self.latest.get(cp_id)
        return known is not None and matches(known.password_hash or "", password)


class Gate:
    """A central's credentials, told to gateways; and the database that a command line changes."""

    def __init__(self, url: str, credentials: Credentials, told: Told, telling: Access) -> None:
        self.url = url
        self.credentials = credentials
        self.told = told
        self.access = telling

    async def add(self, cp_id: str, password: str = PASSWORD, role: str = "charge_point") -> None:
        await asyncio.to_thread(stored.add, self.url, role, cp_id, hash_of(password), 1)
        await self.credentials.refresh()

    async def revoke(self, cp_id: str) -> None:
        await asyncio.to_thread(stored.revoke, self.url, "charge_point", cp_id, 2)
        await self.credentials.refresh()


@asynccontextmanager
async def gate(folder: Path) -> AsyncIterator[Gate]:
    clock, told = MovedClock(), Told()
    url = f"sqlite:///{folder / 'central.db'}"
    store = await asyncio.to_thread(Store.open, url, clock)
    credentials = Credentials(store, always=False)
    await credentials.refresh()
    telling = Access(credentials, cast(Publisher, told), clock, 1)
    running = asyncio.ensure_future(telling.run())
    try:
        yield Gate(url, credentials, told, telling)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await store.close()


async def test_without_credentials_gateways_are_told_that_none_is_demanded(tmp_path: Path) -> None:
    async with gate(tmp_path) as it:
        await eventually(lambda: it.told.order == [ANYBODY])
        assert it.told.latest[ANYBODY].revoked


async def test_a_credential_is_told_when_it_is_made_changed_and_revoked(tmp_path: Path) -> None:
    """Its hash alone; and from the first one on it is told that they are demanded."""
    async with gate(tmp_path) as it:
        await it.add("CP-1")
        await eventually(lambda: it.told.lets_in("CP-1", PASSWORD))
        await eventually(lambda: not it.told.latest[ANYBODY].revoked)
        assert PASSWORD not in str(it.told.latest)
        await it.add("CP-1", "another-password")
        await eventually(lambda: it.told.lets_in("CP-1", "another-password"))
        assert not it.told.lets_in("CP-1", PASSWORD)
        await it.revoke("CP-1")
        await eventually(lambda: it.told.latest["CP-1"].revoked)
        assert it.told.latest["CP-1"].password_hash is None
        assert not it.told.latest[ANYBODY].revoked


async def test_other_roles_credentials_are_no_charge_points(tmp_path: Path) -> None:
    """But they too make that all are demanded."""
    async with gate(tmp_path) as it:
        await it.add("CP-1", role="monitor")
        await eventually(lambda: ANYBODY in it.told.latest and not it.told.latest[ANYBODY].revoked)
        assert list(it.told.latest) == [ANYBODY]


async def test_a_start_tells_all_with_those_that_were_revoked(tmp_path: Path) -> None:
    """And that credentials are demanded comes last, when each one is known already."""
    async with gate(tmp_path) as it:
        for cp_id in ("CP-1", "CP-2", "CP-3"):
            await it.add(cp_id)
        await it.revoke("CP-2")
    async with gate(tmp_path) as it:
        await eventually(lambda: ANYBODY in it.told.latest)
        assert sorted(it.told.order[:-1]) == ["CP-1", "CP-2", "CP-3"]
        assert it.told.order[-1] == ANYBODY
        assert [it.told.latest[f"CP-{n}"].revoked for n in (1, 2, 3)] == [False, True, False]


async def test_what_has_not_changed_is_not_told_again(tmp_path: Path) -> None:
    """Until Kafka may have lost it."""
    async with gate(tmp_path) as it:
        await it.add("CP-1")
        await eventually(lambda: it.told.order[-1:] == [ANYBODY] and "CP-1" in it.told.order)
        told = len(it.told.order)
        await it.add("CP-2")
        await eventually(lambda: "CP-2" in it.told.latest)
        assert it.told.order[told:] == ["CP-2"]
        it.access.tell_all()
        await eventually(lambda: it.told.order[told + 1 :] == ["CP-1", "CP-2", ANYBODY])


async def test_a_credential_that_the_database_does_not_know_is_revoked(tmp_path: Path) -> None:
    """The database was replaced by an older one: gateways would let it in for ever."""

    def record(cp_id: str, **said: Any) -> Record:
        value = encode(stamped(ChargePointAccess(cp_id=cp_id, **said), MovedClock()))
        return Record(ACCESS.name, 0, 0, cp_id, value, 0, stamped_by_broker=False)

    class Topic:
        """What the topic holds: an async iterator of batches."""

        async def __aiter__(self) -> AsyncIterator[list[Record]]:
            yield [record("CP-1", password_hash="known"), record("CP-8", password_hash="x")]
            yield [record("CP-9", revoked=True), record(ANYBODY), replace(record("X"), value=b"")]
            yield [record("CP-8", password_hash="x"), replace(record("X"), value=b"{")]
            await asyncio.Event().wait()

    async with gate(tmp_path) as it:
        await it.add("CP-1")
        await eventually(lambda: it.told.lets_in("CP-1", PASSWORD))
        it.access.topic = cast(Subscription, Topic())
        watching = asyncio.ensure_future(it.access.watch())
        await eventually(lambda: "CP-8" in it.told.latest)
        assert it.told.latest["CP-8"].revoked
        assert it.told.lets_in("CP-1", PASSWORD)
        await it.add("CP-8")  # it may have one again
        await eventually(lambda: it.told.lets_in("CP-8", PASSWORD))
        watching.cancel()
        await asyncio.wait([watching])
        assert set(it.told.latest) == {"CP-1", "CP-8", ANYBODY}


async def test_what_kafka_does_not_take_is_told_later(tmp_path: Path) -> None:
    async with gate(tmp_path) as it:
        await eventually(lambda: ANYBODY in it.told.latest)
        it.told.full = 1
        await it.add("CP-1")
        await eventually(lambda: it.told.lets_in("CP-1", PASSWORD))
        assert access.TRY_AGAIN < 1  # within a second of the change
