"""What OCPP charge points report of themselves, and how operators and drivers see it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from central.board import Board
from central.gateways.statuses import TOLD_EVERY
from central.network import LivePoint
from central.rules.records import Point
from central.store import SavePoint
from common.connection import Connection
from common.errors import Reason, Refused
from common.gateway_messages import (
    BootRequest,
    ConnectorFault,
    ConnectorRecovery,
    ConnectorStatus,
    OcppEvent,
    OcppRequest,
    OcppResponse,
)
from common.messages import Message, RegisterResponse, Severity, StopCpCommand
from common.units import Payload, Price
from tests.central.gateways.desk import Desk, desk, down
from tests.central.parts import eventually

NEWER = Connection("gw-2", 7, 2)

Event = tuple[str, Severity]


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What operators are shown from here on: text and severity."""
    seen: list[Event] = []
    show = Board.event

    def note(self: Board, text: str, severity: Severity = Severity.INFO, **ids: str | None) -> None:
        seen.append((text, severity))
        show(self, text, severity, **ids)

    monkeypatch.setattr(Board, "event", note)
    return seen


def status(word: str, connector_id: int = 1, error: str | None = None) -> ConnectorStatus:
    return ConnectorStatus(cp_id="CP", connector_id=connector_id, status=word, error_code=error)


def words(one: Desk, point: LivePoint) -> list[str]:
    """The word of each connector, as the panel shows it."""
    return [connector.status for connector in one.central.network.row(point).connectors]


async def said(one: Desk, *messages: Message) -> None:
    await one.handled(*one.say(*messages))


# ---- Boots ------------------------------------------------------------------------------------


async def test_a_boot_is_stored_with_what_the_charge_point_says_of_itself(one: Desk) -> None:
    """And whoever made it, and with which firmware, is known after a restart too."""
    await one.connect("CP")
    answer = await one.ask(
        BootRequest(
            cp_id="CP",
            vendor="ACME",
            model="One",
            box_serial_number="B-7",
            firmware_version="1.2.3",
        )
    )
    assert isinstance(answer, RegisterResponse)
    assert (answer.heartbeat_interval, answer.stopped) == (300, False)
    point = one.central.network.points["CP"].point
    stored = one.central.store.snapshot().points
    assert stored == (point,)
    assert (point.vendor, point.model, point.serial_number) == ("ACME", "One", "B-7")
    assert (point.firmware_version, point.ocpp_version) == ("1.2.3", "1.6")
    assert point.price == Price(3500)


async def test_a_boot_keeps_what_only_central_says(one: Desk) -> None:
    """Price, place and that an operator took it out of order are not the charge point's to say."""
    set_here = Point(
        cp_id="CP",
        location="Harbour",
        max_rate=(await one.boot("X")).point.max_rate,
        price=Price(7_000),
        stopped=True,
        connectors=3,
        ocpp_version="1.6",
    )
    await one.central.store.write(SavePoint(set_here))
    one.central.network.put_point(set_here)
    point = (await one.boot("CP")).point
    assert (point.price, point.location, point.stopped) == (Price(7_000), "Harbour", True)
    assert point.connectors == 3
    assert point.vendor == "ACME"


async def test_a_boot_that_says_nothing_new_costs_no_write(one: Desk) -> None:
    """Thousands may boot at once after a power cut."""
    await one.boot("CP")
    one.parts.clock.now += 60
    one.parts.outage.writes_to_fail = 1
    answer = await one.ask(BootRequest(cp_id="CP", vendor="ACME", model="One"))
    assert isinstance(answer, RegisterResponse)
    assert one.parts.outage.writes_to_fail == 1
    one.parts.outage.writes_to_fail = 0


async def test_a_charge_point_that_was_a_monitors_becomes_a_gateways(one: Desk) -> None:
    """Its row, its history and its price go on."""
    monitor = await one.parts.monitor("CP")
    monitor.close()
    point = one.central.network.points["CP"]
    assert point.point.ocpp_version is None
    await eventually(lambda: point.link is None)
    point.faulted.add(1)
    await one.boot("CP")
    assert point.point.ocpp_version == "1.6"
    assert point.link is not None
    assert words(one, point) == ["Available"]


async def test_a_monitors_point_does_not_show_what_it_said_by_a_gateway(one: Desk) -> None:
    """Whoever speaks for it now is believed."""
    point = await one.boot("CP")
    await said(one, status("Reserved"))
    assert words(one, point) == ["Reserved"]
    monitor = await one.parts.monitor("CP")
    assert words(one, point) == ["Available"]
    monitor.close()


async def test_one_that_reconnects_without_a_boot_is_taken_up_too(one: Desk) -> None:
    """OCPP wants no boot after a reconnect; central may not know the charge point all the same."""
    await one.connect("CP")
    assert "CP" not in one.central.network.points  # a connection alone makes no charge point
    await said(one, status("Available", 2))
    point = one.central.network.points["CP"]
    assert words(one, point) == ["Available", "Available"]
    assert [p.cp_id for p in one.central.store.snapshot().points] == ["CP"]


# ---- Statuses ---------------------------------------------------------------------------------

WORDS = ["Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing"]
WORDS += ["Reserved", "Unavailable"]


@pytest.mark.parametrize("word", WORDS)
async def test_the_panel_shows_a_charge_points_own_word(one: Desk, word: str) -> None:
    """For each connector by itself."""
    point = await one.boot("CP")
    await said(one, status("Available", 2), status(word, 1))
    assert words(one, point) == [word, "Available"]


async def test_connectors_are_learnt_from_what_is_said_of_them(one: Desk) -> None:
    """There is no other way in OCPP 1.6; and none is forgotten."""
    point = await one.boot("CP")
    await said(one, status("Available", 0), status("Charging", 3), status("Available", 1))
    assert words(one, point) == ["Available", "Available", "Charging"]
    assert [p.connectors for p in one.central.store.snapshot().points] == [3]


async def test_a_whole_charge_point_that_is_unavailable_is_so_at_each_connector(one: Desk) -> None:
    """Connector 0 is the whole of it."""
    point = await one.boot("CP")
    await said(one, status("Available", 1), status("Available", 2), status("Unavailable", 0))
    assert words(one, point) == ["Unavailable", "Unavailable"]
    await said(one, status("Available", 0))
    assert words(one, point) == ["Available", "Available"]


async def test_a_fault_is_one_connectors_until_it_says_anything_else(
    one: Desk, events: list[Event]
) -> None:
    """Whether its recovery is told of or not: it may have come by another connection."""
    point = await one.boot("CP")
    fault = ConnectorFault(cp_id="CP", connector_id=1, fault_type="GroundFailure", info="leak")
    await said(one, status("Charging", 2), fault)
    assert words(one, point) == ["Faulted", "Charging"]
    assert ("connector 1 fault: GroundFailure: leak", Severity.ALARM) in events
    await said(one, ConnectorRecovery(cp_id="CP", connector_id=1), status("Available", 1))
    assert words(one, point) == ["Available", "Charging"]
    assert ("connector 1 recovered", Severity.INFO) in events
    await said(one, fault, status("Preparing", 1))
    assert words(one, point) == ["Preparing", "Charging"]


async def test_a_fault_of_connector_0_is_the_whole_charge_points(one: Desk) -> None:
    """With its type on the panel."""
    point = await one.boot("CP")
    fault = ConnectorFault(cp_id="CP", connector_id=0, fault_type="InternalError")
    await said(one, status("Available", 1), status("Available", 2), fault)
    assert words(one, point) == ["Faulted", "Faulted"]
    assert one.central.network.row(point).fault_type == "InternalError"
    await said(one, status("Available", 0))
    assert one.central.network.row(point).fault_type is None


async def test_a_status_that_is_faulted_is_a_fault(one: Desk, events: list[Event]) -> None:
    """However its gateway words it."""
    point = await one.boot("CP")
    await said(one, status("Faulted", error="PowerMeterFailure"))
    assert words(one, point) == ["Faulted"]
    assert ("connector 1 fault: PowerMeterFailure", Severity.ALARM) in events


async def test_an_error_beside_a_status_is_shown_once(one: Desk, events: list[Event]) -> None:
    """However often it is repeated, until it has been over."""
    await one.boot("CP")
    weak = status("Available", error="WeakSignal")
    await said(one, weak, weak, status("Available", error="NoError"), weak)
    shown = ("connector 1: WeakSignal while Available", Severity.WARNING)
    assert events.count(shown) == 2


async def test_a_word_that_nobody_knows_changes_nothing(one: Desk) -> None:
    """A lenient gateway may let one through."""
    point = await one.boot("CP")
    await said(one, status("Charging"), status("Occupied"))
    assert words(one, point) == ["Charging"]


async def test_statuses_and_faults_outlive_central(one: Desk, tmp_path: Path) -> None:
    """A charge point says them once, and not again because central has started anew."""
    await one.boot("CP")
    fault = ConnectorFault(cp_id="CP", connector_id=2, fault_type="HighTemperature")
    await said(one, status("SuspendedEV"), status("Available", 2), fault, status("Reserved", 3))
    async with desk(tmp_path) as other:
        point = other.central.network.points["CP"]
        assert words(other, point) == ["SuspendedEV", "Faulted", "Reserved"]


async def test_one_that_is_offline_is_grey_whatever_it_said(one: Desk) -> None:
    """And shows its words again when it is back, until it says others."""
    point = await one.boot("CP")
    await said(one, status("Charging"), down("CP"))
    assert words(one, point) == ["Offline"]
    await one.connect("CP", NEWER)
    assert words(one, point) == ["Charging"]


@pytest.mark.parametrize("word", WORDS)
async def test_a_driver_is_let_in_where_the_charge_point_would_let_one_in(
    one: Desk, word: str
) -> None:
    """Where it is free, or waits for somebody to begin."""
    await one.boot("CP")
    await said(one, status(word))
    held = one.central.network.situation("CP", "ANA").held_connectors
    assert list(held) == ([] if word in ("Available", "Preparing") else [1])
    assert one.central.network.situation("CP", "ANA").online


async def test_last_seen_is_when_it_last_said_anything(one: Desk) -> None:
    """To its gateway, that is: heartbeats do not come further."""
    point = await one.boot("CP")
    one.parts.clock.now += 100
    await said(one, status("Available"))
    assert point.point.last_seen == int(one.parts.clock.now)


# ---- Out of order -----------------------------------------------------------------------------


def told_to_stop(one: Desk) -> int:
    """How often a gateway was told to take the charge point out of order."""
    told = [message for _, _, message in one.parts.publisher.to_gateways]
    return sum(isinstance(message, StopCpCommand) for message in told)


async def stop(one: Desk, point: LivePoint) -> None:
    point.point = replace(point.point, stopped=True)
    await one.central.store.write(SavePoint(point.point))


async def test_one_that_is_out_of_order_is_told_so_again_after_its_boot(one: Desk) -> None:
    """After the answer: before it a charge point takes no calls."""
    await stop(one, await one.boot("CP"))
    one.parts.publisher.to_gateways.clear()
    answer = await one.ask(BootRequest(cp_id="CP", vendor="ACME", model="One"))
    assert isinstance(answer, RegisterResponse)
    assert answer.stopped
    await eventually(lambda: told_to_stop(one) == 1)
    assert one.parts.publisher.to_gateways[0][2] == answer


async def test_one_that_says_it_is_available_though_it_is_out_of_order_is_told_again(
    one: Desk,
) -> None:
    """But not with each of its words."""
    point = await one.boot("CP")
    await stop(one, point)
    await said(one, status("Available"), status("Available", 2), status("Preparing"))
    await eventually(lambda: told_to_stop(one) == 1)
    assert words(one, point) == ["Preparing", "Unavailable"]
    one.parts.clock.now += TOLD_EVERY
    await said(one, status("Unavailable"), status("Charging", 2))
    assert told_to_stop(one) == 1


# ---- All else ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "payload", "shown"),
    [
        ("FirmwareStatusNotification", {"status": "Installed"}, "firmware: Installed"),
        ("FirmwareStatusNotification", {"status": "DownloadFailed"}, "!firmware: DownloadFailed"),
        ("DiagnosticsStatusNotification", {"status": "Uploading"}, "diagnostics: Uploading"),
        ("LogStatusNotification", {"status": "Uploaded"}, "log upload: Uploaded"),
        (
            "SignedFirmwareStatusNotification",
            {"status": "InvalidSignature", "requestId": 3},
            "!signed firmware: InvalidSignature",
        ),
        (
            "SecurityEventNotification",
            {"type": "TamperDetectionActivated", "timestamp": "2026-01-01T00:00:00Z"},
            "!security event: TamperDetectionActivated",
        ),
        (
            "SecurityEventNotification",
            {"type": "InvalidCsmsCertificate", "techInfo": "x" * 255},
            "!security event: InvalidCsmsCertificate: " + "x" * 200,
        ),
        ("FirmwareStatusNotification", {"status": 7}, "firmware: "),
        ("SomethingElse", {}, "SomethingElse"),
    ],
)
async def test_what_else_is_reported_is_shown_to_operators(
    one: Desk, events: list[Event], action: str, payload: dict[str, object], shown: str
) -> None:
    """`!`: as a warning. What it says is shown in part where it is long."""
    await one.boot("CP")
    await said(one, OcppEvent(cp_id="CP", action=action, payload=Payload(payload)))
    severity = Severity.WARNING if shown.startswith("!") else Severity.INFO
    assert events[-1] == (shown.removeprefix("!"), severity)


@pytest.mark.parametrize(
    ("action", "answer"), [("DataTransfer", "UnknownVendorId"), ("SignCertificate", "Rejected")]
)
async def test_what_else_is_asked_is_answered_as_ocpp_wants(
    one: Desk, action: str, answer: str
) -> None:
    """Central knows no vendor's data, and signs no certificates."""
    await one.boot("CP")
    said = await one.ask(OcppRequest(cp_id="CP", action=action, payload=Payload(vendorId="V")))
    assert isinstance(said, OcppResponse)
    assert said.payload == {"status": answer}


async def test_a_stop_that_cannot_be_told_is_told_of_and_no_more(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next word brings it again."""
    point = await one.boot("CP")
    await stop(one, point)
    asked = []

    async def no(*_: object, **__: object) -> None:
        asked.append(1)
        raise Refused(Reason.ENGINE_REFUSED, "no")

    monkeypatch.setattr(point.link, "ask", no)
    await said(one, status("Available"))
    one.parts.clock.now += TOLD_EVERY
    await said(one, status("Available"))
    await eventually(lambda: len(asked) == 2)
