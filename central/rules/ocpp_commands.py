"""What becomes of a command to an OCPP charge point: its states, and all that moves it.

Theory of operation. A command is stored before it is sent, so what is known of one is never less
than what was done. It moves by *events*: what a gateway answers, a connection that goes, time that
passes. `STEPS` names, for every state, the events that move it; any other changes nothing there.

Two states are over and yet not the last word: a command that is `unknown` or `timed_out` may have
been done, so an answer that still comes, and what the charge point reports, says what it became.

This file knows no Kafka and no database.
"""

from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from central.rules.ocpp_calls import CHANGE_AVAILABILITY, REMOTE_START, REMOTE_STOP, is_repeatable
from central.rules.records import AuditEntry, Command
from common.codec import encode
from common.gateway_messages import CommandRow, CommandState
from common.messages import CommandOutcome, CommandResponse, Outcome
from common.units import Payload

ROW_BYTES = 50_000
"""The most bytes of a command as an operator sees it: it must fit a frame."""


class CommandEvent(StrEnum):
    """What may happen to a command."""

    HANDED_OVER = "handed_over"
    """It goes to the gateway that holds the connection."""
    ACCEPTED = "accepted"
    """The charge point did it, or will: it answered so, or reported what only that explains."""
    REJECTED = "rejected"
    """The charge point answered that it does not."""
    FAILED = "failed"
    """The charge point answered with an error, or it could not be asked."""
    UNANSWERED = "unanswered"
    """The charge point did not answer its gateway in time."""
    NOT_SENT = "not_sent"
    """Its gateway surely did not send it."""
    LOST = "lost"
    """The connection went that it was sent by."""
    EXPIRED = "expired"
    """Its deadline has passed."""
    REPLACED = "replaced"
    """A later command says what it would have said."""


_S, _E = CommandState, CommandEvent

_ANSWERS = {_E.ACCEPTED: _S.ACCEPTED, _E.REJECTED: _S.REJECTED, _E.FAILED: _S.FAILED}

STEPS: dict[CommandState, dict[CommandEvent, CommandState]] = {
    _S.QUEUED: {
        # It may have been sent before, by a connection whose answer comes late.
        **_ANSWERS,
        _E.HANDED_OVER: _S.SENT,
        _E.EXPIRED: _S.TIMED_OUT,
        _E.REPLACED: _S.SUPERSEDED,
    },
    _S.SENT: {
        **_ANSWERS,
        _E.HANDED_OVER: _S.SENT,
        _E.UNANSWERED: _S.TIMED_OUT,
        _E.NOT_SENT: _S.QUEUED,
        _E.LOST: _S.UNKNOWN,  # what may be repeated is queued instead: see `moved`
        _E.EXPIRED: _S.TIMED_OUT,
    },
    _S.UNKNOWN: {**_ANSWERS, _E.NOT_SENT: _S.QUEUED},  # a start is over instead: see `moved`
    _S.TIMED_OUT: dict(_ANSWERS),
    _S.ACCEPTED: {},
    _S.REJECTED: {},
    _S.FAILED: {},
    _S.SUPERSEDED: {},
}
"""Every legal step. An event that a state does not list changes nothing there."""

OPEN = frozenset({_S.QUEUED, _S.SENT})
"""States in which an answer is still awaited."""

_EVENTS: dict[CommandOutcome, CommandEvent] = {
    CommandOutcome.ACCEPTED: _E.ACCEPTED,
    CommandOutcome.REJECTED: _E.REJECTED,
    CommandOutcome.FAILED: _E.FAILED,
    CommandOutcome.TIMED_OUT: _E.UNANSWERED,
    CommandOutcome.UNKNOWN: _E.LOST,
    CommandOutcome.NOT_SENT: _E.NOT_SENT,
}


_OF_A_CONNECTION = (_E.NOT_SENT, _E.LOST, _E.UNANSWERED)
"""What a gateway says of its connection, not of the charge point."""


def moved(command: Command, event: CommandEvent, now_ms: int) -> Command:
    """The command after this event, at this Unix millisecond; the same object if it stays.

    What is queued again belongs to no connection; where its deadline has passed, it is over.
    """
    state = STEPS[command.state].get(event, command.state)
    if event is _E.LOST and state is _S.UNKNOWN and is_repeatable(command.action):
        state = _S.QUEUED
    if state is _S.QUEUED and command.state is _S.UNKNOWN and command.action == REMOTE_START:
        state = _S.FAILED  # whoever waited was told that it may have begun, and asks again
    if state is _S.QUEUED and is_due(command, now_ms):
        state = _S.TIMED_OUT
    if state is command.state:
        return command
    return replace(
        command,
        state=state,
        changed_ms=now_ms,
        connection=None if state is _S.QUEUED else command.connection,
    )


def by_connection(command: Command, connection: str | None, now_ms: int) -> Command:
    """The command as it is with this connection of its charge point, at this Unix millisecond.

    What is due is over; what was sent by another connection is lost, unless it may be sent again;
    what waits is sent by this one. The same object where nothing changes.

    Args:
        connection: `NODE PARTITION EPOCH`; None while there is none.
    """
    if command.state in OPEN and is_due(command, now_ms):
        return moved(command, _E.EXPIRED, now_ms)
    if command.state is _S.SENT and command.connection != connection:
        command = moved(command, _E.LOST, now_ms)
    if command.state is _S.QUEUED and connection is not None:
        return replace(
            moved(command, _E.HANDED_OVER, now_ms), connection=connection, changed_ms=now_ms
        )
    return command


def answered(command: Command, response: CommandResponse, connection: str, now_ms: int) -> Command:
    """The command after what a gateway says about it; the same object where that is no news.

    Args:
        connection: The one that the answer came by. That it did not send it, went, or heard no
            answer says nothing about another one by which the command was sent since.
    """
    event = _EVENTS[response.outcome] if response.outcome else _E.FAILED
    if event in _OF_A_CONNECTION and command.connection != connection:
        return command
    after = moved(command, event, now_ms)
    if after is command or after.state in OPEN:
        return after
    code = response.error_code
    if code is None and event is _E.FAILED and response.error is not None:
        code = response.error.value
    return replace(
        after,
        answer=None if response.payload is None else dict(response.payload),
        error_code=code,
        error_description=response.message or None,
    )


def is_due(command: Command, now_ms: int) -> bool:
    """Whether its deadline has passed."""
    return now_ms >= command.expires_ms


def replaces(later: Command, earlier: Command) -> bool:
    """Whether a later command makes an earlier one of the same charge point needless.

    Only a change of availability does, of the same connector.
    """
    return (
        later.action == earlier.action == CHANGE_AVAILABILITY
        and earlier.state is _S.QUEUED
        and later.payload.get("connectorId") == earlier.payload.get("connectorId")
    )


def explains_start(command: Command, connector_id: int, id_tag: str) -> bool:
    """Whether a transaction that began can be this command's doing."""
    wanted, tag = command.payload.get("connectorId"), command.payload.get("idTag")
    return (
        command.action == REMOTE_START
        and command.state is _S.UNKNOWN
        and wanted in (None, connector_id)
        and isinstance(tag, str)
        and tag.casefold() == id_tag.casefold()
    )


def explains_stop(command: Command, transaction_id: int) -> bool:
    """Whether a transaction that ended can be this command's doing."""
    return (
        command.action == REMOTE_STOP
        and command.state is _S.UNKNOWN
        and command.payload.get("transactionId") == transaction_id
    )


def response_of(command: Command) -> CommandResponse:
    """What the charge point answered, for whoever asked it."""
    done = command.state is _S.ACCEPTED
    return CommandResponse(
        status=Outcome.SUCCESS if done else Outcome.FAILURE,
        message=command.error_description or "",
        outcome=CommandOutcome(command.state.value),
        payload=None if command.answer is None else Payload(command.answer),
        error_code=command.error_code,
    )


def row(command: Command) -> CommandRow:
    """The command as an operator sees it; a payload that would not fit a frame is left out."""
    whole = CommandRow(
        command_id=command.command_id,
        cp_id=command.cp_id,
        action=command.action,
        payload=Payload(command.payload),
        state=command.state,
        by=command.by,
        at_ms=command.at_ms,
        changed_ms=command.changed_ms,
        expires_at=command.expires_ms // 1000,
        answer=None if command.answer is None else Payload(command.answer),
        error_code=command.error_code,
        error_description=command.error_description,
    )
    if (size := len(encode(whole))) <= ROW_BYTES:
        return whole
    without = replace(
        whole, answer=None, error_description=f"{size} bytes are too many to be shown"
    )
    fits = len(encode(without)) <= ROW_BYTES
    return without if fits else replace(without, payload=Payload())


def audited(command: Command) -> AuditEntry | None:
    """Its entry in the audit log as it is now; None if no operator ordered it."""
    if command.entry_id is None:
        return None
    over = command.state not in OPEN
    return AuditEntry(
        entry_id=command.entry_id,
        at=command.at_ms // 1000,
        admin_id=command.by,
        command=command.action,
        cp_id=command.cp_id,
        reason=command.reason,
        succeeded=int(command.state is _S.ACCEPTED),
        failed=int(over and command.state is not _S.ACCEPTED),
    )


def sentence(command: Command) -> str:
    """What a person is told of a command that is over."""
    said = command.error_description or command.error_code or _status(command.answer)
    return f"{command.action} {command.state}" + (f": {said}" if said else "")


def _status(answer: dict[str, Any] | None) -> str:
    status = (answer or {}).get("status", "")
    return status if isinstance(status, str) else ""
