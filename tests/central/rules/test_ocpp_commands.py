"""What becomes of a command to an OCPP charge point, by what is learned about it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central.rules import ocpp_commands as rules
from central.rules.ocpp_calls import DOWNWARD, call_of, is_repeatable
from central.rules.ocpp_commands import ROW_BYTES, STEPS, CommandEvent
from central.rules.records import Command
from common.codec import encode
from common.errors import Reason
from common.gateway_messages import CommandState, OcppCommand
from common.messages import (
    CommandOutcome,
    CommandResponse,
    Outcome,
    ResumeCpCommand,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.units import Payload, Price, Watts
from gateway.v16.actions import ACTIONS
from gateway.v16.translate import DOWNWARD as BY_GATEWAY

NOW = 1_000_000
HERE, THERE = "gw-1 3 100", "gw-2 5 200"
OVER = [
    CommandState.ACCEPTED,
    CommandState.REJECTED,
    CommandState.FAILED,
    CommandState.SUPERSEDED,
]

RESET = Command(
    command_id="m-1",
    cp_id="CP-1",
    action="Reset",
    payload={"type": "Soft"},
    message=b"{}",
    state=CommandState.SENT,
    by="ana",
    at_ms=NOW - 1000,
    changed_ms=NOW - 1000,
    expires_ms=NOW + 60_000,
    connection=HERE,
)


def command(
    state: CommandState = CommandState.SENT, action: str = "Reset", **payload: object
) -> Command:
    connection = None if state is CommandState.QUEUED else HERE
    return replace(RESET, state=state, action=action, payload=payload, connection=connection)


def response(outcome: CommandOutcome | None, **said: object) -> CommandResponse:
    return CommandResponse(
        message_id="m-1",
        status=Outcome.FAILURE,
        outcome=outcome,
        **said,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("state", "event"), list(product(CommandState, CommandEvent)))
def test_a_command_goes_where_the_one_table_says(state: CommandState, event: CommandEvent) -> None:
    """But for what may be repeated, which waits again where the connection went."""
    after = rules.moved(command(state), event, NOW)
    assert after.state is STEPS[state].get(event, state)
    assert after.changed_ms == (NOW if after.state is not state else RESET.changed_ms)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("Reset", CommandState.UNKNOWN),
        ("RemoteStartTransaction", CommandState.UNKNOWN),
        ("ChangeAvailability", CommandState.QUEUED),
        ("ChangeConfiguration", CommandState.QUEUED),
        ("TriggerMessage", CommandState.QUEUED),
        ("ExtendedTriggerMessage", CommandState.QUEUED),
        ("GetDiagnostics", CommandState.QUEUED),
    ],
)
def test_what_is_safe_to_repeat_waits_where_the_connection_went(
    action: str, state: CommandState
) -> None:
    after = rules.moved(command(action=action), CommandEvent.LOST, NOW)
    assert after.state is state
    assert after.connection == (None if state is CommandState.QUEUED else HERE)


def test_nothing_waits_again_after_its_deadline() -> None:
    """Neither what was surely not sent, nor what may be repeated."""
    late = RESET.expires_ms
    for action, event in (("Reset", CommandEvent.NOT_SENT), ("ClearCache", CommandEvent.NOT_SENT)):
        assert rules.moved(command(action=action), event, late).state is CommandState.TIMED_OUT
    lost = rules.moved(command(action="GetLog"), CommandEvent.LOST, late)
    assert lost.state is CommandState.TIMED_OUT


def test_a_start_of_which_nobody_knew_is_not_sent_later() -> None:
    """Whoever waited was told that it may have begun; any other command is sent then."""
    for action, state in (("RemoteStartTransaction", "failed"), ("Reset", "queued")):
        unknown = command(CommandState.UNKNOWN, action)
        assert rules.moved(unknown, CommandEvent.NOT_SENT, NOW).state == state


@given(
    st.sampled_from(list(CommandState)),
    st.lists(st.sampled_from(list(CommandEvent))),
    st.sampled_from(sorted(DOWNWARD)),
)
def test_what_the_charge_point_has_answered_stays_answered(
    state: CommandState, events: list[CommandEvent], action: str
) -> None:
    """Whatever is heard after it; and what nobody sent belongs to no connection."""
    now = command(state, action)
    for event in events:
        after = rules.moved(now, event, NOW)
        if now.state in OVER:
            assert after is now
        if after.state is CommandState.QUEUED:
            assert after.connection is None
        now = after


# -- Connections --


@pytest.mark.parametrize(
    ("before", "connection", "state", "by"),
    [
        (command(CommandState.QUEUED), None, "queued", None),
        (command(CommandState.QUEUED), THERE, "sent", THERE),
        (command(), HERE, "sent", HERE),
        (command(), THERE, "unknown", HERE),
        (command(), None, "unknown", HERE),
        (command(action="GetLog"), THERE, "sent", THERE),
        (command(action="GetLog"), None, "queued", None),
        (command(CommandState.UNKNOWN), THERE, "unknown", HERE),
        (command(CommandState.ACCEPTED), THERE, "accepted", HERE),
        (replace(command(), expires_ms=NOW), HERE, "timed_out", HERE),
        (replace(command(CommandState.QUEUED), expires_ms=NOW), THERE, "timed_out", None),
        (replace(command(CommandState.UNKNOWN), expires_ms=NOW), HERE, "unknown", HERE),
    ],
)
def test_a_command_agrees_with_its_charge_points_connection(
    before: Command, connection: str | None, state: str, by: str | None
) -> None:
    after = rules.by_connection(before, connection, NOW)
    assert (after.state, after.connection) == (state, by)
    assert rules.by_connection(after, connection, NOW) is after  # and stays so


# -- Answers --


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (CommandOutcome.ACCEPTED, "accepted"),
        (CommandOutcome.REJECTED, "rejected"),
        (CommandOutcome.FAILED, "failed"),
        (CommandOutcome.TIMED_OUT, "timed_out"),
        (CommandOutcome.UNKNOWN, "unknown"),
        (CommandOutcome.NOT_SENT, "queued"),
        (None, "failed"),
    ],
)
def test_each_outcome_has_its_state(outcome: CommandOutcome | None, state: str) -> None:
    assert rules.answered(command(), response(outcome), HERE, NOW).state == state


def test_what_was_said_is_kept_with_the_outcome() -> None:
    said = response(CommandOutcome.ACCEPTED, payload=Payload(status="Accepted"))
    after = rules.answered(command(), said, HERE, NOW)
    assert (after.answer, after.error_code) == ({"status": "Accepted"}, None)
    said = response(CommandOutcome.FAILED, error_code="NotSupported", message="no")
    after = rules.answered(command(), said, HERE, NOW)
    assert (after.error_code, after.error_description) == ("NotSupported", "no")
    said = response(CommandOutcome.FAILED, error=Reason.INVALID_MESSAGE, message="at `$.type`")
    assert rules.answered(command(), said, HERE, NOW).error_code == "invalid_message"
    said = response(CommandOutcome.REJECTED, error=Reason.ENGINE_REFUSED)
    assert rules.answered(command(), said, HERE, NOW).error_code is None


def test_another_connection_says_only_what_the_charge_point_said() -> None:
    """That it heard nothing, or went, is no news of the one that was used since."""
    by_there = replace(command(), connection=THERE)
    for outcome in (CommandOutcome.NOT_SENT, CommandOutcome.UNKNOWN, CommandOutcome.TIMED_OUT):
        assert rules.answered(by_there, response(outcome), HERE, NOW) is by_there
    answer = response(CommandOutcome.ACCEPTED)
    assert rules.answered(by_there, answer, HERE, NOW).state is CommandState.ACCEPTED


# -- Which explain, and replace, which --


def test_only_a_change_of_the_same_connectors_availability_replaces_one_that_waits() -> None:
    def change(
        connector_id: int,
        state: CommandState = CommandState.QUEUED,
        action: str = "ChangeAvailability",
    ) -> Command:
        return command(state, action, connectorId=connector_id)

    assert rules.replaces(change(1), change(1))
    assert not rules.replaces(change(1), change(2))
    assert not rules.replaces(change(1), change(1, CommandState.SENT))
    assert not rules.replaces(change(1), change(1, action="UnlockConnector"))
    assert not rules.replaces(change(1, action="UnlockConnector"), change(1))


@pytest.mark.parametrize(
    ("state", "payload", "explains"),
    [
        (CommandState.UNKNOWN, {"connectorId": 1, "idTag": "ana"}, True),
        (CommandState.UNKNOWN, {"idTag": "ANA"}, True),
        (CommandState.UNKNOWN, {"connectorId": 2, "idTag": "ANA"}, False),
        (CommandState.UNKNOWN, {"idTag": "BEN"}, False),
        (CommandState.UNKNOWN, {"idTag": 7}, False),
        (CommandState.SENT, {"idTag": "ANA"}, False),
        (CommandState.ACCEPTED, {"idTag": "ANA"}, False),
    ],
)
def test_a_transaction_explains_a_start_of_which_nothing_was_heard(
    state: CommandState, payload: dict[str, object], explains: bool
) -> None:
    start = command(state, "RemoteStartTransaction", **payload)
    assert rules.explains_start(start, 1, "ANA") is explains
    assert not rules.explains_start(replace(start, action="ReserveNow"), 1, "ANA")


def test_the_end_of_a_transaction_explains_its_stop() -> None:
    stop = command(CommandState.UNKNOWN, "RemoteStopTransaction", transactionId=7)
    assert rules.explains_stop(stop, 7)
    assert not rules.explains_stop(stop, 8)
    assert not rules.explains_stop(replace(stop, state=CommandState.SENT), 7)
    assert not rules.explains_stop(replace(stop, action="Reset"), 7)


# -- As others see it --


@pytest.mark.parametrize(
    "state", [CommandState.ACCEPTED, CommandState.REJECTED, CommandState.FAILED]
)
def test_who_asked_is_told_the_outcome(state: CommandState) -> None:
    told = rules.response_of(replace(command(state), answer={"status": "X"}))
    assert told.outcome == state.value
    assert (told.status is Outcome.SUCCESS) == (state is CommandState.ACCEPTED)
    assert told.payload == {"status": "X"}


def test_an_operator_sees_all_of_a_command() -> None:
    whole = replace(
        command(CommandState.FAILED, type="Soft"),
        answer={"a": 1},
        error_code="X",
        error_description="y",
    )
    row = rules.row(whole)
    assert (row.payload, row.answer, row.expires_at) == ({"type": "Soft"}, {"a": 1}, 1060)
    assert (row.error_code, row.error_description, row.by) == ("X", "y", "ana")
    assert rules.row(command()).answer is None


def test_what_would_not_fit_a_frame_is_left_out() -> None:
    """First the answer, then the payload too; and that is said."""
    long = {"x": "y" * ROW_BYTES}
    row = rules.row(replace(command(), answer=long))
    assert (row.answer, row.payload) == (None, {})
    assert "too many" in (row.error_description or "")
    row = rules.row(replace(command(type="Soft"), answer=long))
    assert row.payload == {"type": "Soft"}
    row = rules.row(replace(command(), payload=long))
    assert row.payload == {}
    assert len(encode(row)) <= ROW_BYTES


def test_the_audit_log_counts_it_once_it_is_over() -> None:
    """Only an operator's own is there."""
    assert rules.audited(command()) is None
    for state, counts in (
        (CommandState.SENT, (0, 0)),
        (CommandState.ACCEPTED, (1, 0)),
        (CommandState.REJECTED, (0, 1)),
        (CommandState.UNKNOWN, (0, 1)),
    ):
        entry = rules.audited(replace(command(state), entry_id="e-1", reason="why"))
        assert entry is not None
        assert (entry.succeeded, entry.failed) == counts
        assert (entry.command, entry.admin_id, entry.reason) == ("Reset", "ana", "why")


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"error_description": "no"}, "Reset failed: no"),
        ({"error_code": "NotSupported"}, "Reset failed: NotSupported"),
        ({"answer": {"status": "Rejected"}}, "Reset failed: Rejected"),
        ({"answer": {"status": 1}}, "Reset failed"),
        ({}, "Reset failed"),
    ],
)
def test_a_sentence_says_what_became_of_it(known: dict[str, object], said: str) -> None:
    assert rules.sentence(replace(command(CommandState.FAILED), **known)) == said


# -- Calls --


def test_each_message_to_a_gateway_is_one_call() -> None:
    """The same that the gateway makes of it: an operator is shown what is sent."""
    start = StartChargingCommand(
        cp_id="CP-1",
        connector_id=2,
        session_id="s",
        driver_id="ANA",
        price_per_kwh=Price(1),
        max_charging_rate_kw=Watts(1),
    )
    for message, call in (
        (start, ("RemoteStartTransaction", {"connectorId": 2, "idTag": "ANA"})),
        (replace(start, id_tag="T"), ("RemoteStartTransaction", {"connectorId": 2, "idTag": "T"})),
        (
            StopChargingCommand(cp_id="CP-1", session_id="s", transaction_id=7),
            ("RemoteStopTransaction", {"transactionId": 7}),
        ),
        (
            StopCpCommand(cp_id="CP-1"),
            ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
        ),
        (
            ResumeCpCommand(cp_id="CP-1", connector_id=3),
            ("ChangeAvailability", {"connectorId": 3, "type": "Operative"}),
        ),
        (OcppCommand(cp_id="CP-1", action="Reset", payload=Payload()), ("Reset", {})),
    ):
        assert call_of(message) == call
        assert BY_GATEWAY[type(message)].call(message) == call


def test_every_call_of_the_gateways_own_table_is_known_and_no_other() -> None:
    """Central refuses an action that no charge point may be sent, before any gateway is asked."""
    assert {action.name for action in ACTIONS.values() if action.to_charge_point} == DOWNWARD
    assert sorted(filter(is_repeatable, DOWNWARD)) == [
        "ChangeAvailability",
        "ChangeConfiguration",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "TriggerMessage",
    ]
