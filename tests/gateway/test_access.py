"""Who may connect, by what central says on `ev.access`."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from argon2 import PasswordHasher

from common.admittance import FAILURES_WITHIN, MAX_FAILURES
from common.clock import SystemClock
from common.codec import encode
from common.gateway_messages import ChargePointAccess
from common.protocol import ACCESS
from common.stream import KafkaSettings, KafkaUnreachable, Publisher, Record, ensure_topics
from gateway import access, passwords
from gateway.access import ANYBODY, AccessList, Verdict, access_list
from gateway.passwords import MAX_PASSWORD, Passwords, basic
from tests.central.parts import MovedClock
from tests.gateway.registries import eventually
from tests.kafka.broker import Broker

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)

ELSEWHERE = "192.0.2.7"


class Topic:
    """`ev.access` as a test would have it.

    Attributes:
        end: Where it ends; an error: no broker says so.
    """

    def __init__(self) -> None:
        self.end: int | KafkaUnreachable = 0
        self._next = 0
        self._batches: asyncio.Queue[list[Record]] = asyncio.Queue()

    async def __aenter__(self) -> "Topic":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[list[Record]]:
        while True:
            yield await self._batches.get()

    async def ends(self) -> Mapping[int, int]:
        if isinstance(self.end, KafkaUnreachable):
            raise self.end
        return {0: self.end}

    def say(
        self, cp_id: str, password: str | bytes | None = None, *, revoked: bool = False
    ) -> bytes:
        """What central says of a charge point."""
        stored = None if password is None else CHEAP.hash(password)
        said = encode(
            ChargePointAccess(message_id="m", cp_id=cp_id, password_hash=stored, revoked=revoked)
        )
        self.write(cp_id, said)
        return said

    def write(self, key: str, value: bytes) -> None:
        """A record."""
        record = Record(ACCESS.name, 0, self._next, key, value, 0, False)
        self._next += 1
        self._batches.put_nowait([record])


class Gate:
    """An access list that runs, and what it says."""

    def __init__(self, who: AccessList, topic: Topic, clock: MovedClock | None = None) -> None:
        self.access = who
        self.topic = topic
        self.clock = clock or MovedClock()
        self.revoked: list[str] = []
        self.demanded = 0
        who.on_revoked = self.revoked.append
        who.on_demanded = self._demanded

    def _demanded(self) -> None:
        self.demanded += 1

    async def heard(self) -> None:
        """Return when all that was said is heard."""
        self.topic.write("noise", b"noise")
        before = self.access.unreadable
        await eventually(lambda: self.access.unreadable > before)

    async def ask(
        self,
        cp_id: str,
        password: str | bytes | None = None,
        *,
        user: str | None = None,
        name: str | None = None,
        secured: bool = False,
        address: str | None = ELSEWHERE,
    ) -> Verdict:
        """What a charge point is told."""
        header = None if password is None else authorization(user or cp_id, password)
        return await self.access.check(
            cp_id, header, common_name=name, secured=secured, address=address
        )


def authorization(user: str, password: str | bytes) -> str:
    """The header of HTTP."""
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()


@asynccontextmanager
async def guarded(
    *, always: bool = True, profile: int = 0, topic: Topic | None = None
) -> AsyncIterator[Gate]:
    """A gate that is caught up, unless its topic has not come to its end."""
    topic = topic or Topic()
    clock = MovedClock()
    who = AccessList(topic, topic.ends, clock, always=always, profile=profile)
    gate = Gate(who, topic, clock)
    running = asyncio.create_task(who.run())
    try:
        await eventually(lambda: who.known.is_set() or topic.end)
        yield gate
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


# -- Passwords --


async def test_the_right_password_is_accepted() -> None:
    """The first time and after it."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        for _ in range(3):
            assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED


async def test_a_password_may_be_no_text() -> None:
    """OCPP 1.6 gives keys as bytes."""
    async with guarded() as gate:
        gate.topic.say("CP-1", b"\xff\x00:\xfe")
        await gate.heard()
        assert await gate.ask("CP-1", b"\xff\x00:\xfe") is Verdict.ACCEPTED


@pytest.mark.parametrize("remembered", [False, True])
async def test_anything_else_is_wrong(remembered: bool) -> None:
    """Whether or not the right one was seen before."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        gate.topic.say("CP-2", "other")
        await gate.heard()
        if remembered:
            assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED
        for wrong in ("", "other", "secret ", "Secret", "s" * (MAX_PASSWORD + 1)):
            assert await gate.ask("CP-1", wrong, address=None) is Verdict.WRONG
        assert await gate.ask("CP-1", "secret", user="CP-2") is Verdict.WRONG
        assert await gate.ask("CP-1", "other", user="CP-2") is Verdict.WRONG
        assert await gate.ask("CP-1") is Verdict.WRONG


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Bearer abc",
        "Basic !!!",
        "Basic " + base64.b64encode(b"CP-1").decode(),
        "Basic " + base64.b64encode(b"\xff:secret").decode(),
        "Digest username=CP-1",
    ],
)
async def test_a_header_that_says_nothing_is_wrong(header: str) -> None:
    """And raises nothing."""
    assert basic(header) is None
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        verdict = await gate.access.check(
            "CP-1", header, common_name=None, secured=False, address=None
        )
        assert verdict is Verdict.WRONG


def test_the_scheme_is_read_in_any_case() -> None:
    """As RFC 7235 has it; and a password may hold colons."""
    assert basic("bAsIc " + base64.b64encode(b"CP-1:a:b").decode()) == ("CP-1", b"a:b")


async def test_a_hash_that_is_none_fits_no_password() -> None:
    """Whatever it is."""
    async with guarded() as gate:
        said = ChargePointAccess(message_id="m", cp_id="CP-1", password_hash="nonsense")
        gate.topic.write("CP-1", encode(said))
        await gate.heard()
        assert await gate.ask("CP-1", "nonsense") is Verdict.WRONG


async def test_a_right_password_is_hashed_once() -> None:
    """Ten thousand who come back do not wait for ten thousand hashes."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED
        # Nothing is waited for: it needs no thread.
        with pytest.raises(StopIteration) as answer:
            gate.ask("CP-1", "secret").send(None)
        assert answer.value.value is Verdict.ACCEPTED


async def test_so_many_passwords_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those looked at last; the others are right all the same."""
    monkeypatch.setattr(passwords, "MAX_REMEMBERED", 2)
    async with guarded() as gate:
        for n in range(4):
            gate.topic.say(f"CP-{n}", "secret")
        await gate.heard()
        for _ in range(2):
            for n in range(4):
                assert await gate.ask(f"CP-{n}", "secret") is Verdict.ACCEPTED


async def test_many_at_once_are_each_told_their_own() -> None:
    """Right and wrong ones among each other."""
    async with guarded() as gate:
        for n in range(20):
            gate.topic.say(f"CP-{n}", f"secret-{n}")
        await gate.heard()
        asked = (gate.ask(f"CP-{n}", f"secret-{n // 2 * 2}", address=None) for n in range(20))
        told = await asyncio.gather(*asked)
        assert told == [Verdict.ACCEPTED, Verdict.WRONG] * 10


# -- Guessing --


async def test_who_guesses_is_not_listened_to() -> None:
    """For a while, and only from there; who has proved itself before is let in from there too."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        gate.topic.say("CP-2", "secret")
        await gate.heard()
        assert await gate.ask("CP-2", "secret") is Verdict.ACCEPTED
        for _ in range(MAX_FAILURES):
            assert await gate.ask("CP-1", "guess") is Verdict.WRONG
        assert await gate.ask("CP-1", "secret") is Verdict.WRONG
        assert await gate.ask("CP-2", "secret") is Verdict.ACCEPTED
        assert await gate.ask("CP-1", "secret", address="192.0.2.8") is Verdict.ACCEPTED
        gate.clock.now += FAILURES_WITHIN + 1
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED


async def test_who_says_nothing_has_guessed_nothing() -> None:
    """Some ask first whether a password is needed."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        for _ in range(2 * MAX_FAILURES):
            assert await gate.ask("CP-1") is Verdict.WRONG
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED


# -- Ids --


@pytest.mark.parametrize(
    "cp_id", ["", "*", "CP 1", "CP/1", "CP-1\n", "ä", "x" * 37, "CP-1\0", "%43", "..%2f"]
)
@pytest.mark.parametrize("always", [True, False])
async def test_what_is_no_id_is_unknown(cp_id: str, always: bool) -> None:
    """Whether credentials are demanded or not."""
    async with guarded(always=always) as gate:
        assert await gate.ask(cp_id, "secret") is Verdict.UNKNOWN


async def test_an_id_without_a_credential_is_unknown() -> None:
    """Where credentials are demanded."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        assert await gate.ask("CP-2", "secret") is Verdict.UNKNOWN


# -- Without credentials --


async def test_without_credentials_everybody_is_let_in() -> None:
    """Where only this machine can come, and central never made one."""
    async with guarded(always=False) as gate:
        assert await gate.ask("CP-1") is Verdict.ACCEPTED
        assert await gate.ask("CP-1", "whatever") is Verdict.ACCEPTED


@pytest.mark.parametrize("said", [ANYBODY, "CP-9"])
async def test_the_first_credential_ends_that(said: str) -> None:
    """And who was let in without one is to go."""
    async with guarded(always=False) as gate:
        gate.topic.say(said, None if said == ANYBODY else "secret")
        await gate.heard()
        assert await gate.ask("CP-1") is Verdict.UNKNOWN
        assert (gate.demanded, gate.access.changes) == (1, 1)


async def test_central_may_say_that_none_is_demanded() -> None:
    """That changes nothing for a gateway that others reach."""
    for always, verdict in ((False, Verdict.ACCEPTED), (True, Verdict.UNKNOWN)):
        async with guarded(always=always) as gate:
            gate.topic.say(ANYBODY, revoked=True)
            await gate.heard()
            assert await gate.ask("CP-1") is verdict


# -- Profiles --


async def test_a_certificate_names_the_charge_point() -> None:
    """And no other; a password does not make up for it."""
    async with guarded() as gate:
        gate.topic.say("CP-2", "secret")
        await gate.heard()
        assert await gate.ask("CP-1", name="CP-1", secured=True) is Verdict.ACCEPTED
        assert await gate.ask("CP-2", "secret", name="CP-1", secured=True) is Verdict.WRONG


@pytest.mark.parametrize(
    ("profile", "password", "secured", "name", "verdict"),
    [
        (0, None, False, None, Verdict.ACCEPTED),
        (1, None, False, None, Verdict.WRONG),
        (1, "secret", False, None, Verdict.ACCEPTED),
        (2, "secret", False, None, Verdict.WRONG),
        (2, None, True, None, Verdict.WRONG),
        (2, "secret", True, None, Verdict.ACCEPTED),
        (3, "secret", True, None, Verdict.WRONG),
        (3, "secret", False, None, Verdict.WRONG),
        (3, None, True, "CP-1", Verdict.ACCEPTED),
        (3, None, True, "CP-2", Verdict.WRONG),
    ],
)
async def test_less_than_the_profile_is_not_enough(
    profile: int, password: str | None, secured: bool, name: str | None, verdict: Verdict
) -> None:
    """OCPP's security profiles, each more than the one before."""
    async with guarded(always=False, profile=profile) as gate:
        if profile:
            gate.topic.say("CP-1", "secret")
            await gate.heard()
        assert await gate.ask("CP-1", password, secured=secured, name=name) is verdict


# -- Changes --


async def test_a_revoked_credential_closes_its_connection() -> None:
    """And opens none, with a password or with a certificate."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED
        gate.topic.say("CP-1", revoked=True)
        gate.topic.say("CP-1", revoked=True)
        await gate.heard()
        assert gate.revoked == ["CP-1"]
        assert gate.access.changes == 1
        assert await gate.ask("CP-1", "secret") is Verdict.WRONG
        assert await gate.ask("CP-1", name="CP-1", secured=True) is Verdict.WRONG


async def test_a_new_password_ends_the_old_one() -> None:
    """Who is connected by the old one is closed; the same one said again changes nothing."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "old")
        await gate.heard()
        assert await gate.ask("CP-1", "old") is Verdict.ACCEPTED
        said = gate.topic.say("CP-1", "new")
        await gate.heard()
        assert gate.revoked == ["CP-1"]
        assert await gate.ask("CP-1", "old") is Verdict.WRONG
        assert await gate.ask("CP-1", "new") is Verdict.ACCEPTED
        gate.topic.write("CP-1", said)
        await gate.heard()
        assert gate.revoked == ["CP-1"]


async def test_what_is_revoked_while_it_is_checked_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The password was right when it was asked."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        await gate.heard()
        matches = Passwords.matches

        async def slowly(self: Passwords, cp_id: str, stored: str, password: bytes) -> bool:
            right = await matches(self, cp_id, stored, password)
            gate.topic.say("CP-1", revoked=True)
            await gate.heard()
            return right

        monkeypatch.setattr(Passwords, "matches", slowly)
        assert await gate.ask("CP-1", "secret") is Verdict.WRONG


async def test_what_was_revoked_may_come_back() -> None:
    """With a new password."""
    async with guarded() as gate:
        gate.topic.say("CP-1", revoked=True)
        gate.topic.say("CP-1", "new")
        await gate.heard()
        assert await gate.ask("CP-1", "new") is Verdict.ACCEPTED


async def test_what_is_removed_from_the_topic_is_unknown() -> None:
    """As if it had never been there."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        gate.topic.write("CP-1", b"")
        await gate.heard()
        assert gate.revoked == ["CP-1"]
        assert await gate.ask("CP-1", "secret") is Verdict.UNKNOWN


@pytest.mark.parametrize("value", [b"nonsense", b"{}", b'{"type":"link_up"}', b"\xff"])
async def test_a_record_that_is_no_message_changes_nothing(value: bytes) -> None:
    """It is counted."""
    async with guarded() as gate:
        gate.topic.say("CP-1", "secret")
        gate.topic.write("CP-1", value)
        await gate.heard()
        assert gate.access.unreadable == 2  # and the test's own
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED


# -- Catching up --


async def test_nobody_is_let_in_before_all_is_read() -> None:
    """Neither turned away for good: it may come again soon."""
    topic = Topic()
    topic.end = 2
    async with guarded(always=False, topic=topic) as gate:
        assert await gate.ask("CP-1") is Verdict.NOT_YET
        topic.say("CP-1", "secret")
        await eventually(lambda: len(gate.access) == 1)
        assert await gate.ask("CP-1", "secret") is Verdict.NOT_YET
        assert gate.access.trouble == "ev.access is not read to its end yet"
        topic.say("CP-2", "secret")
        await eventually(lambda: gate.access.known.is_set())
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED
        assert gate.access.trouble is None


async def test_where_the_topic_ends_is_asked_until_it_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kafka may start later than the gateway."""
    monkeypatch.setattr(access, "TRY_AGAIN", 0.01)
    topic = Topic()
    topic.end = KafkaUnreachable("nowhere:1", "nobody there")
    async with guarded(topic=topic) as gate:
        topic.say("CP-1", "secret")
        await gate.heard()
        assert not gate.access.known.is_set()
        topic.end = 2
        await eventually(lambda: gate.access.known.is_set())
        assert await gate.ask("CP-1", "secret") is Verdict.ACCEPTED


async def test_central_tells_it_by_kafka(fresh_kafka: Broker) -> None:
    """From the beginning of the topic, and then within a second."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await make(settings)
    async with Publisher(settings) as publisher:

        async def say(cp_id: str, password: str | None) -> None:
            stored = None if password is None else CHEAP.hash(password)
            said = ChargePointAccess(
                message_id="m", cp_id=cp_id, password_hash=stored, revoked=stored is None
            )
            await publisher.publish(ACCESS, cp_id, encode(said))

        for n in range(50):
            await say(f"CP-{n}", "secret")
        who = access_list(settings, SystemClock(), always=True, profile=0)
        gate = Gate(who, Topic())
        running = asyncio.create_task(who.run())
        try:
            await eventually(lambda: who.known.is_set())
            assert len(who) == 50
            assert await gate.ask("CP-49", "secret") is Verdict.ACCEPTED
            await say("CP-49", None)
            await eventually(lambda: gate.revoked == ["CP-49"])
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def test_an_empty_topic_is_read_to_its_end(fresh_kafka: Broker) -> None:
    """Central has not said anything yet."""
    settings = KafkaSettings(fresh_kafka.bootstrap)
    await make(settings)
    who = access_list(settings, SystemClock(), always=False, profile=0)
    running = asyncio.create_task(who.run())
    try:
        await eventually(lambda: who.known.is_set())
        assert await Gate(who, Topic()).ask("CP-1") is Verdict.ACCEPTED
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def make(settings: KafkaSettings) -> None:
    """Make the topic."""
    await ensure_topics(settings, (ACCESS,), within=30)
