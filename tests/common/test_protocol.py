"""The table: complete, without repetition, and with the names that other programs read."""

from itertools import groupby

import pytest

from common.codec import decoder, first_decoder
from common.gateway_messages import (
    BootRequest,
    ConnectorFault,
    ConnectorRecovery,
    ConnectorStatus,
    MeterReport,
    TransactionCompletion,
)
from common.messages import (
    AuthRequest,
    AuthResponse,
    ChargeCompletion,
    ChargeRequest,
    ChargeRequestResponse,
    ChargingData,
    ChargingHistoryResponse,
    ClientHeartbeatRequest,
    CommandResponse,
    ErrorResponse,
    FaultNotification,
    HeartbeatRequest,
    HeartbeatResponse,
    ManualCommand,
    Message,
    RecoveryNotification,
    RegisterRequest,
    Request,
    Role,
    StatusUpdate,
    StopChargingRequest,
    StopChargingResponse,
    WatchReady,
)
from common.protocol import (
    ACCESS,
    ALL_TOPICS,
    CENTRAL_ANSWERS_WITHIN,
    CHARGING,
    DEAD,
    DEADLINES,
    DOWN,
    DRIVER_EVENTS,
    DRIVER_REQUESTS,
    FRAMES,
    INTRODUCTIONS,
    POINTS,
    ROUTES,
    TOPICS,
    UP,
    Route,
    Topic,
    all_messages,
    answer_of,
    first_messages,
    introduced_role,
    key_of,
    received,
    sent,
    way_back,
    ways,
    wire_name,
)
from tests.common.strategies import legal_ways, sample

CENTRAL, MONITOR, ENGINE, DRIVER, ADMIN, ANYONE, GATEWAY = Role

WIRE_NAMES = {
    "error_response",
    # monitor to engine, and its answers
    *("health_check_request", "health_check_response"),
    *("start_charging_command", "stop_charging_command", "stop_cp_command", "resume_cp_command"),
    *("report_sessions_command", "settle_sessions_command", "recollect_command"),
    "command_response",
    # engine to monitor
    *("charging_data", "charge_completion", "charge_request"),
    # monitor to central
    *("auth_request", "auth_response", "register_request", "register_response"),
    *("heartbeat_request", "heartbeat_response", "status_update"),
    *("fault_notification", "recovery_notification", "session_report"),
    # driver to central, and back
    *("charge_request_response", "stop_charging_request", "stop_charging_response"),
    *("available_cps_request", "available_cps_response"),
    *("charging_history_request", "charging_history_response"),
    "charging_status_update",
    # inside the driver
    *("connection_lost", "connection_error"),
    # admin to central, and back
    *("manual_command", "manual_command_response", "points_request", "points_response"),
    *("watch_request", "point_changed", "watch_ready", "event_logged"),
    *("sessions_request", "sessions_response", "tickets_request", "tickets_response"),
    *("audit_request", "audit_response", "health_request", "health_response"),
    *("command_request", "command_request_response", "commands_request", "commands_response"),
    *("id_tags_request", "id_tags_response", "id_tag_change", "id_tag_change_response"),
    *("samples_request", "samples_response"),
    # gateway to central, and back
    *("link_up", "link_down", "node_alive", "charge_point_access"),
    *("authorize_request", "authorize_response", "charge_started", "charge_started_response"),
    *("transaction_response", "ocpp_event", "ocpp_request", "ocpp_response", "ocpp_command"),
    # gateway to anyone
    "frame_seen",
}
"""The promise to programs that other people wrote: these names never change."""


def test_the_names_on_the_wire_are_these() -> None:
    """None is missing, renamed or added unnoticed."""
    assert {wire_name(message) for message in all_messages()} == WIRE_NAMES


NAMESAKES = {
    ClientHeartbeatRequest: HeartbeatRequest,
    BootRequest: RegisterRequest,
    ConnectorStatus: StatusUpdate,
    ConnectorFault: FaultNotification,
    ConnectorRecovery: RecoveryNotification,
    MeterReport: ChargingData,
    TransactionCompletion: ChargeCompletion,
}
"""What says the same of something else, and has that one's name on the wire."""


@pytest.mark.parametrize("message", all_messages())
def test_a_class_is_named_as_on_the_wire(message: type[Message]) -> None:
    """`register_request` is `RegisterRequest`, but for a client's heartbeat and for gateways'."""
    name = NAMESAKES.get(message, message).__name__
    assert wire_name(message).replace("_", "") == name.lower()


def test_no_route_stands_twice() -> None:
    """One row for each message from one role to another by one way."""
    rows = [(r.message, r.sender, r.receiver, r.topic) for r in ROUTES]
    assert len(rows) == len(set(rows))


def test_rows_of_one_link_stand_together() -> None:
    """The table reads link by link, and so do the pages made of it."""
    links = [pair for pair, _ in groupby((r.sender, r.receiver) for r in ROUTES)]
    assert len(links) == len(set(links))


@pytest.mark.parametrize("message", all_messages())
def test_every_message_may_travel_somewhere(message: type[Message]) -> None:
    """It has a route, or answers something that has."""
    routed = {route.message for route in ROUTES}
    assert message in routed or message in {answer_of(m) for m in routed}
    assert legal_ways(message)


@pytest.mark.parametrize("way", ways())
def test_every_way_has_a_decoder_of_just_what_is_sent(way: tuple[Role, Role, Topic | None]) -> None:
    """Derived from the table, and no two messages of a way have the same name."""
    messages = decoder(*way).messages
    assert messages == sent(*way)
    assert len({wire_name(m) for m in messages}) == len(messages)
    assert messages <= received(way[1])


def test_an_answer_goes_back_the_way_the_request_came() -> None:
    """By TCP to the asker; a request by Kafka is answered on the paired topic."""
    for route in ROUTES:
        if route.answer:
            assert route.answer in sent(route.receiver, route.sender, way_back(route.topic))
    assert way_back(None) is None
    assert way_back(DRIVER_REQUESTS) is DRIVER_EVENTS


@pytest.mark.parametrize(
    ("way", "answers"),
    [
        ((MONITOR, ENGINE), {ChargeRequestResponse}),
        ((MONITOR, CENTRAL), {CommandResponse}),
        ((DRIVER, CENTRAL), set()),
        (
            (CENTRAL, DRIVER),
            {
                *(AuthResponse, HeartbeatResponse, ChargeRequestResponse),
                *(StopChargingResponse, ChargingHistoryResponse),
            },
        ),
    ],
)
def test_answers_travel_only_to_who_may_ask(
    way: tuple[Role, Role], answers: set[type[Message]]
) -> None:
    """An answer is legal exactly where its request is, the other way round."""
    found = {m for m in sent(*way) if m in {answer_of(other) for other in all_messages()}}
    assert answers <= found
    assert found <= {answer_of(m) for m in sent(way[1], way[0])}


def test_error_response_is_legal_on_every_link_both_ways() -> None:
    """Whoever speaks TCP may say that a message could not be taken, and is never answered."""
    for sender, receiver, topic in ways():
        if topic is None and sender is not receiver:
            assert ErrorResponse in sent(sender, receiver)
            assert ErrorResponse in sent(receiver, sender)
    assert ErrorResponse in sent(CENTRAL, DRIVER, DRIVER_EVENTS)
    assert answer_of(ErrorResponse) is None


def test_what_messages_are_made_of_has_no_answer() -> None:
    """`Request` itself names no answer; only what is made of it does."""
    assert answer_of(Request) is None
    assert answer_of(Message) is None


def test_requests_of_one_name_have_one_answer() -> None:
    """Both heartbeats are answered alike."""
    assert wire_name(HeartbeatRequest) == wire_name(ClientHeartbeatRequest)
    assert answer_of(HeartbeatRequest) is answer_of(ClientHeartbeatRequest) is HeartbeatResponse


# ---- Topics -----------------------------------------------------------------------------------


def test_the_topics_are_those_of_the_protocol() -> None:
    """Name, key, partitions, and what the broker is told to keep."""
    found = {t.name: (t.key, t.partitions, t.config) for t in TOPICS}
    hour = 3_600_000
    assert found == {
        "ev.charging": ("cp_id", 12, {"retention.ms": str(168 * hour)}),
        "ev.driver.requests": (
            "driver_id",
            12,
            {"retention.ms": str(hour), "message.timestamp.type": "LogAppendTime"},
        ),
        "ev.driver.events": ("driver_id", 12, {"retention.ms": str(24 * hour)}),
        "ev.points": ("cp_id", 12, {"cleanup.policy": "compact"}),
        "ev.up": ("cp_id", 12, {"retention.ms": str(168 * hour)}),
        "ev.down": ("cp_id", 64, {"retention.ms": str(hour)}),
        "ev.access": ("cp_id", 1, {"cleanup.policy": "compact"}),
        "ev.frames": ("cp_id", 12, {"retention.ms": str(24 * hour)}),
    }
    assert (*TOPICS, DEAD) == ALL_TOPICS
    assert (DEAD.name, DEAD.partitions) == ("ev.dead", 1)
    assert DEAD.config["retention.ms"] == str(30 * 24 * hour)


def test_topics_are_written_and_read_as_promised() -> None:
    """One writer and one reader for each."""
    ends = {(r.topic, r.sender, r.receiver) for r in ROUTES if r.topic}
    assert ends == {
        (CHARGING, MONITOR, CENTRAL),
        (DRIVER_REQUESTS, DRIVER, CENTRAL),
        (DRIVER_EVENTS, CENTRAL, DRIVER),
        (POINTS, CENTRAL, ANYONE),
        (UP, GATEWAY, CENTRAL),
        (DOWN, CENTRAL, GATEWAY),
        (ACCESS, CENTRAL, GATEWAY),
        (FRAMES, GATEWAY, ANYONE),
    }


def test_a_topic_is_shown_by_its_name_and_can_be_a_key() -> None:
    """As in log lines and in dicts."""
    assert str(CHARGING) == "ev.charging"
    assert {CHARGING: 1}[Topic("ev.charging", "cp_id", 12, dict(CHARGING.config))] == 1


@pytest.mark.parametrize("route", [r for r in ROUTES if r.topic], ids=lambda r: r.message.__name__)
def test_a_record_is_keyed_by_its_field(route: Route) -> None:
    """A message that has the topic's field has its key; of any other its writer must know it."""
    assert route.topic is not None
    has_field = route.topic.key in route.message.__struct_fields__
    assert key_of(route.topic, sample(route.message)) == ("A-1" if has_field else None)


def test_a_key_that_is_null_is_none() -> None:
    """A stop without `driver_id` is keyed by the driver who writes it."""
    stop = StopChargingRequest(cp_id="A", session_id="s")
    assert key_of(DRIVER_REQUESTS, stop) is None


# ---- Who is it --------------------------------------------------------------------------------


@pytest.mark.parametrize("message", all_messages())
def test_a_first_message_tells_the_role_or_is_none(message: type[Message]) -> None:
    """`register_request` is a monitor's; a request of the driver's or admin's table is theirs."""
    asked_by = {
        r.sender for r in ROUTES if r.message is message and r.receiver is CENTRAL and r.answer
    }
    expected = asked_by & {DRIVER, ADMIN}
    if message is ClientHeartbeatRequest:
        expected = set()
    if message in (RegisterRequest, AuthRequest):  # the sample of the latter says so
        expected = {MONITOR}
    assert introduced_role(sample(message)) == (expected.pop() if expected else None)
    assert not expected, "two roles begin with the same message"


@pytest.mark.parametrize("role", Role)
def test_auth_request_names_the_role(role: Role) -> None:
    """Monitors, drivers and operators have links to central; nobody else introduces itself."""
    expected = role if role in {MONITOR, DRIVER, ADMIN} else None
    assert introduced_role(AuthRequest(role=role)) is expected


def test_a_link_may_begin_only_with_what_tells_its_role() -> None:
    """A heartbeat tells nothing, so it is no beginning; an `error_response` always may come."""
    assert first_messages() == {AuthRequest, ErrorResponse, *INTRODUCTIONS}
    assert first_decoder().messages == first_messages()
    assert not first_messages() & {HeartbeatRequest, ClientHeartbeatRequest, WatchReady}
    assert {ChargeRequest: DRIVER, ManualCommand: ADMIN}.items() <= INTRODUCTIONS.items()


# ---- Deadlines --------------------------------------------------------------------------------


def test_every_link_on_which_something_is_asked_has_a_deadline() -> None:
    """And no other."""
    asked = {(r.sender, r.receiver) for r in ROUTES if r.answer and not r.topic}
    assert DEADLINES.keys() == asked


def test_deadlines_fit_into_one_another() -> None:
    """Engine 3 s, monitor 5 s, central 8 s, and the driver waits 10 s: nobody gives up first."""
    assert DEADLINES[MONITOR, ENGINE] == 3
    assert DEADLINES[CENTRAL, MONITOR] == 5
    assert CENTRAL_ANSWERS_WITHIN == 8
    assert DEADLINES[DRIVER, CENTRAL] == DEADLINES[ADMIN, CENTRAL] == 10
    # What an engine asks goes through its monitor to central.
    assert CENTRAL_ANSWERS_WITHIN < DEADLINES[MONITOR, CENTRAL] <= DEADLINES[ENGINE, MONITOR]
