"""Records that fail by themselves, on a real Kafka: set aside, with the reason, and nothing stands.

Each stands between good records of its own partition, which are all applied.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not marked so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.conformance.central import Central
from tests.conformance.peer import message, new_id
from tests.conformance.records import CHARGING, REQUESTS, partition_of
from tests.conformance.roles import Monitor, Network, encode
from tests.conformance.test_credentials import credentials
from tests.fuzz.topics import DeadTopic, committed, end_of, publish, wait_committed
from tests.fuzz.wire import produce
from tests.kafka.broker import Broker
from tests.kafka.find import find_broker


@pytest.fixture(scope="module")
def alone() -> Iterator[Broker]:
    """A broker for centrals that are alone there, and may lose it."""
    with find_broker(own=True) as broker:
        yield broker


@pytest.fixture(scope="module")
def network(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Peers around a central of this module's own."""
    with around(Central(tmp_path_factory.mktemp("central"), kafka.bootstrap)) as network:
        yield network


@contextmanager
def around(central: Central) -> Iterator[Network]:
    """A network around a central that is started and ended here."""
    central.start()
    try:
        network = Network(central)
        yield network
        network.close()
    finally:
        central.close()


@dataclass
class Poison:
    """A record that cannot be applied.

    Attributes:
        key: None stands for none.
        reason: What the reason says, in part.
    """

    value: bytes
    reason: str
    key: str | None = ""
    headers: dict[str, str | bytes | None] = field(default_factory=dict)


def reading(cp_id: str, session_id: str, **fields: object) -> bytes:
    return encode(
        message(
            "charging_data",
            **{
                "cp_id": cp_id,
                "session_id": session_id,
                "sequence": 9_999,
                "energy_consumed_kwh": 99.0,
                **fields,
            },
        )
    )


def poisons(monitor: Monitor, session_id: str) -> list[Poison]:
    """One of each kind, for a point with a session that runs."""
    cp_id = monitor.cp_id
    mega = b'{"type":"charging_data","pad":"' + b"x" * 1_048_000 + b'"}'
    return [
        Poison(b"", "bad_frame"),
        Poison(b"\x00\xff\xfe" * 99, "bad_frame"),
        Poison(b"[" * 200_000, "bad_frame"),
        Poison(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "bad_frame"),
        Poison(b"[]", "invalid_message"),
        Poison(mega, "invalid_message"),
        Poison(b"\xff" * 1_048_000, "bad_frame"),
        Poison(encode(message("no_such_message", cp_id=cp_id)), "unsupported_message"),
        Poison(encode(message("stop_cp_command", cp_id=cp_id)), "unsupported_message"),
        Poison(reading(cp_id, session_id, energy_consumed_kwh=-1), "invalid_message"),
        Poison(b'{"type":"charging_data","message_id":"1","sequence":NaN}', "bad_frame"),
        Poison(reading(cp_id, session_id), "the record has no key", key=None),
        Poison(reading(cp_id, session_id), "another point's key", key="CP-other"),
        Poison(reading("CP-other", session_id), "for a session at", key="CP-other"),
        Poison(
            reading(cp_id, session_id, energy_consumed_kwh="1"),
            "invalid_message",
            headers={"proof": b"\xff\x00", "reason": "mine", "": None, "offset": b"x" * 9_000},
        ),
    ]


@pytest.fixture
def dead(network: Network) -> Iterator[DeadTopic]:
    """What this test's poison becomes."""
    topic = DeadTopic(network.central.bootstrap)
    yield topic
    topic.close()


def test_poison_between_good_records_is_set_aside(network: Network, dead: DeadTopic) -> None:
    """As it came, with the reason and where it stood; the readings around it count."""
    monitor, driver, admin = network.monitor(), network.driver(), network.admin()
    session_id = driver.begin(monitor)
    bootstrap = network.central.bootstrap
    behind: dict[int, int] = {}
    for number, poison in enumerate(poisons(monitor, session_id), 1):
        key = monitor.cp_id if poison.key == "" else poison.key
        monitor.reading(session_id, 2 * number, number + 0.1)
        publish(bootstrap, CHARGING, key, poison.value, poison.headers or None)
        monitor.reading(session_id, 2 * number + 1, number + 0.2)
        letter = dead.next(poison.value, key.encode() if key else None)
        assert (letter.key is None) == (key is None)
        assert poison.reason in letter.header("reason"), letter.header("reason")
        topic, partition, offset = letter.place
        assert topic == CHARGING
        if key is not None:
            assert partition == partition_of(key)
        if poison.headers:
            assert letter.headers[: len(poison.headers)] == tuple(
                (name, text.encode() if isinstance(text, str) else text)
                for name, text in poison.headers.items()
            )
        energy = Decimal(f"{number + 0.2:.3f}")
        admin.wait_connector(monitor.cp_id, energy_consumed_kwh=energy)
        behind[partition] = offset + 1
    monitor.ticket(session_id, 99.0)
    driver.wait_session(session_id, "completed")
    for partition, offset in behind.items():
        wait_committed(bootstrap, CHARGING, partition, offset)


def test_what_no_client_would_write_is_set_aside_too(network: Network, dead: DeadTopic) -> None:
    """A key and header names that are no UTF-8, a header a thousand times, and no value at all."""
    bootstrap = network.central.bootstrap
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    partition = partition_of(monitor.cp_id)
    strange: list[tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]] = [
        (b"\xff\xfe" + new_id("").encode(), b"1", []),
        (monitor.cp_id.encode(), b"2", [(b"\xff\xfe", b"\xff"), (b"", None)]),
        (monitor.cp_id.encode(), b"3", [(b"proof", b"x")] * 1_000),
        (monitor.cp_id.encode(), None, []),
        (None, new_id("4").encode(), [(b"a\0b", b"\0")]),
    ]
    for key, value, headers in strange:
        produce(bootstrap, CHARGING, partition, key=key, value=value, headers=headers)
        letter = dead.next(value or b"", key)
        assert letter.key == key
        assert letter.header("partition") == str(partition)
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")


def test_a_request_that_cannot_be_read_is_set_aside(network: Network, dead: DeadTopic) -> None:
    """It has no answer; the request behind it has."""
    driver = network.driver()
    cases: list[tuple[str | None, bytes, str]] = [
        (driver.driver_id, b"\x80 nonsense", "bad_frame"),
        (driver.driver_id, b'{"type":"charge_request","message_id":"7"}', "invalid_message"),
        (driver.driver_id, encode(message("charging_history_request")), "unsupported_message"),
        (None, encode(message("available_cps_request", driver_id="D")), "the record has no key"),
    ]
    for key, value, reason in cases:
        network.publisher.publish(REQUESTS, key, value)
        letter = dead.next(value)
        assert reason in letter.header("reason")
        assert letter.header("topic") == REQUESTS
    asked = message("available_cps_request", driver_id=driver.driver_id)
    driver.publish(asked)
    assert network.events.wait(driver.driver_id, message_id=asked["message_id"])


def test_a_request_that_is_not_proved_is_answered_and_set_aside(
    alone: Broker, tmp_path: Path
) -> None:
    """Its sender learns why; who looks through `ev.dead` sees what it was."""
    central = Central(tmp_path, alone.bootstrap)
    made = credentials(central, "add", "driver", "D-proved")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    with around(central) as network:
        dead = DeadTopic(alone.bootstrap)
        link = network.link()
        told = link.ask("auth_request", role="driver", driver_id="D-proved", credential=secret)
        key = base64.b64decode(told["kafka_key"])
        asked = message("available_cps_request", driver_id="D-proved")
        value = encode(asked)
        wrong = hmac.new(key, b"something else", hashlib.sha256).hexdigest()
        network.publisher.publish(REQUESTS, "D-proved", value, headers={"proof": wrong})
        answer = network.events.wait("D-proved", message_id=asked["message_id"])
        assert answer["error"] == "not_authenticated"
        letter = dead.next(value)
        dead.close()
        assert letter.header("reason").startswith("not_authenticated")
        assert letter.header("proof") == wrong


def test_a_broker_that_dies_loses_no_poison_and_holds_up_nothing(
    alone: Broker, tmp_path: Path
) -> None:
    """Killed with poison under way: it is on `ev.dead` once the broker is back, or still to be."""
    with around(Central(tmp_path, alone.bootstrap)) as network:
        monitor, driver = network.monitor(), network.driver()
        session_id = driver.begin(monitor)
        partition = partition_of(monitor.cp_id)
        begun = end_of(alone.bootstrap, CHARGING, partition)
        dead = DeadTopic(alone.bootstrap)
        marks = [new_id("poison").encode() for _ in range(300)]
        network.publisher.publish(CHARGING, monitor.cp_id, *marks[:150])
        alone.kill()
        alone.start()
        network.publisher.publish(CHARGING, monitor.cp_id, *marks[150:])
        monitor.ticket(session_id, 1.0)
        driver.wait_session(session_id, "completed")
        missing = set(marks)
        while missing:
            missing.discard(dead.next().value)
        dead.close()
        wait_committed(alone.bootstrap, CHARGING, partition, begun + len(marks) + 1)


def test_while_there_is_no_room_on_ev_dead_offsets_stay_and_all_else_goes_on(
    alone: Broker, tmp_path: Path
) -> None:
    """A central that is killed meanwhile leaves the poison to the next one."""
    central = Central(tmp_path, alone.bootstrap)
    with around(central) as network:
        monitor, driver = network.monitor(), network.driver()
        partition = partition_of(monitor.cp_id)
        begun = end_of(alone.bootstrap, CHARGING, partition)
        smallest(alone.bootstrap, 100)
        dead = DeadTopic(alone.bootstrap)
        value = b"poison" * 100
        network.publisher.publish(CHARGING, monitor.cp_id, value)
        for _ in range(3):
            session_id = driver.begin(monitor)
            monitor.ticket(session_id, 1.0)
            driver.wait_session(session_id, "completed")
        assert committed(alone.bootstrap, CHARGING).get(partition, 0) <= begun
        network.hang_up()
        central.kill()
        smallest(alone.bootstrap, 2 << 20)
        central.start()
        letter = dead.next(value)
        dead.close()
        assert letter.place == (CHARGING, partition, begun)
        wait_committed(alone.bootstrap, CHARGING, partition, begun + 4)


def smallest(bootstrap: str, size: int) -> None:
    """Let `ev.dead` take records of at most so many bytes."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, "ev.dead", incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(timeout=10)
