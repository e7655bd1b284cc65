"""Records to rows and back: the only place that knows the order of a table's columns.

A row has the columns of `schema` in their order. Its values are the driver's own types: a
`Quantity` is a plain int there, an enum a plain str.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from central.rules.records import (
    AuditEntry,
    Command,
    ConnectorWord,
    Credential,
    LastConnection,
    OutboxEntry,
    Point,
    RememberedAnswer,
    RequestKey,
    Session,
    StopIntent,
    StoredSample,
    StoredTag,
    Ticket,
)
from common.errors import Reason
from common.gateway_messages import CommandState, IdTagRow, Sample
from common.messages import Role
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours, Watts

Value = str | int | float | bytes | None
Row = tuple[Value, ...]
Stored = Sequence[Any]
"""A row as the driver gives it: the edge where types begin."""


def point_row(point: Point) -> Row:
    return (
        point.cp_id,
        point.location,
        int(point.max_rate),
        int(point.price),
        point.stopped,
        point.connectors,
        point.last_seen,
        point.time_scale,
        point.ocpp_version,
        point.vendor,
        point.model,
        point.serial_number,
        point.firmware_version,
    )


def point_from(row: Stored) -> Point:
    cp_id, location, max_rate, price, stopped, connectors, last_seen, time_scale, *said = row
    ocpp_version, vendor, model, serial_number, firmware_version = said
    return Point(
        cp_id=cp_id,
        location=location,
        max_rate=Watts(max_rate),
        price=Price(price),
        stopped=bool(stopped),
        connectors=connectors,
        last_seen=last_seen,
        time_scale=time_scale,
        ocpp_version=ocpp_version,
        vendor=vendor,
        model=model,
        serial_number=serial_number,
        firmware_version=firmware_version,
    )


def connection_row(connection: LastConnection) -> Row:
    return (
        connection.cp_id,
        connection.node,
        connection.partition,
        connection.epoch,
        connection.open,
        connection.ocpp_version,
    )


def connection_from(row: Stored) -> LastConnection:
    cp_id, node, partition, epoch, is_open, ocpp_version = row
    return LastConnection(
        cp_id=cp_id,
        node=node,
        partition=partition,
        epoch=epoch,
        open=bool(is_open),
        ocpp_version=ocpp_version,
    )


def connector_row(connector: ConnectorWord) -> Row:
    return (connector.cp_id, connector.connector_id, connector.status, connector.fault)


def connector_from(row: Stored) -> ConnectorWord:
    cp_id, connector_id, status, fault = row
    return ConnectorWord(cp_id=cp_id, connector_id=connector_id, status=status, fault=fault)


def sample_row(stored: StoredSample) -> Row:
    sample = stored.sample
    return (
        stored.cp_id,
        sample.at_ms,
        stored.digest,
        stored.connector_id,
        stored.transaction_id,
        sample.value,
        sample.measurand,
        sample.unit,
        sample.context,
        sample.location,
        sample.phase,
        sample.format,
    )


def sample_from(row: Stored) -> StoredSample:
    (
        cp_id,
        at_ms,
        digest,
        connector_id,
        transaction_id,
        value,
        measurand,
        unit,
        context,
        location,
        phase,
        form,
    ) = row
    return StoredSample(
        cp_id=cp_id,
        digest=digest,
        connector_id=connector_id,
        transaction_id=transaction_id,
        sample=Sample(
            at_ms=at_ms,
            value=value,
            measurand=measurand,
            unit=unit,
            context=context,
            location=location,
            phase=phase,
            format=form,
        ),
    )


def is_open(session: Session) -> bool:
    """Whether central still has something to do with the session after a restart."""
    return (
        not session.settled
        or session.holds_connector
        or session.holds_driver
        or session.state not in (SessionState.COMPLETED, SessionState.FAILED)
    )


INDEXED = ("state", "holds_connector", "holds_driver", "open", "transaction_id", "start_key")
"""The columns of a session that change and stand in an index."""


def indexed_alike(session: Session, other: Session) -> bool:
    """Whether both have the same in `INDEXED`, given that they are one session."""
    return (
        session.state is other.state
        and session.holds_connector == other.holds_connector
        and session.holds_driver == other.holds_driver
        and session.connector_id == other.connector_id
        and session.transaction_id == other.transaction_id
        and is_open(session) == is_open(other)
    )


def session_row(session: Session) -> Row:
    target, cost = session.target, session.cost
    reason, refusal = session.reason, session.refusal
    request = session.request
    return (
        session.session_id,
        session.cp_id,
        session.connector_id,
        session.driver_id,
        session.state.value,
        int(session.price),
        session.currency,
        None if target is None else int(target),
        session.requested_ms,
        session.started_at,
        session.ended_at,
        session.finishing_at,
        int(session.energy),
        int(session.rate),
        session.sequence,
        session.confirmed,
        session.settled,
        f"{session.cp_id}/{session.connector_id}" if session.holds_connector else None,
        session.driver_id if session.holds_driver else None,
        None if reason is None else reason.value,
        None if refusal is None else refusal.value,
        None if cost is None else int(cost),
        session.revision,
        request.role.value,
        request.sender,
        request.message_id,
        session.digest,
        session.trace_id,
        is_open(session),
        session.suspect,
        session.disputed,
        session.estimated,
        session.id_tag,
        session.transaction_id,
        session.start_key,
        session.meter_start_wh,
    )


def session_from(row: Stored) -> Session:
    (
        session_id,
        cp_id,
        connector_id,
        driver_id,
        state,
        price,
        currency,
        target,
        requested_ms,
        started_at,
        ended_at,
        finishing_at,
        energy,
        rate,
        sequence,
        confirmed,
        settled,
        holds_connector,
        holds_driver,
        reason,
        refusal,
        cost,
        revision,
        role,
        sender,
        message_id,
        digest,
        trace_id,
        _open,
        suspect,
        disputed,
        estimated,
        id_tag,
        transaction_id,
        start_key,
        meter_start_wh,
    ) = row
    return Session(
        session_id=session_id,
        cp_id=cp_id,
        connector_id=connector_id,
        driver_id=driver_id,
        state=SessionState(state),
        price=Price(price),
        currency=currency,
        target=None if target is None else WattHours(target),
        requested_ms=requested_ms,
        started_at=started_at,
        ended_at=ended_at,
        finishing_at=finishing_at,
        energy=WattHours(energy),
        rate=Watts(rate),
        sequence=sequence,
        confirmed=bool(confirmed),
        settled=bool(settled),
        holds_connector=holds_connector is not None,
        holds_driver=holds_driver is not None,
        reason=None if reason is None else EndReason(reason),
        refusal=None if refusal is None else Reason(refusal),
        cost=None if cost is None else Money(cost),
        revision=revision,
        suspect=bool(suspect),
        disputed=bool(disputed),
        estimated=bool(estimated),
        id_tag=id_tag,
        transaction_id=transaction_id,
        start_key=start_key,
        meter_start_wh=meter_start_wh,
        request=RequestKey(role=Role(role), sender=sender, message_id=message_id),
        digest=digest,
        trace_id=trace_id,
    )


def ticket_row(ticket: Ticket) -> Row:
    return (
        ticket.session_id,
        ticket.cp_id,
        ticket.connector_id,
        ticket.driver_id,
        int(ticket.energy),
        int(ticket.price),
        int(ticket.cost),
        ticket.currency,
        None if ticket.reason is None else ticket.reason.value,
        ticket.started_at,
        ticket.ended_at,
        ticket.meter_start_wh,
        ticket.meter_stop_wh,
        int(ticket.engine_cost),
        ticket.estimated,
        ticket.revision,
        ticket.issued_at,
    )


def ticket_from(row: Stored) -> Ticket:
    (
        session_id,
        cp_id,
        connector_id,
        driver_id,
        energy,
        price,
        cost,
        currency,
        reason,
        started_at,
        ended_at,
        meter_start_wh,
        meter_stop_wh,
        engine_cost,
        estimated,
        revision,
        issued_at,
    ) = row
    return Ticket(
        session_id=session_id,
        cp_id=cp_id,
        connector_id=connector_id,
        driver_id=driver_id,
        energy=WattHours(energy),
        price=Price(price),
        cost=Money(cost),
        currency=currency,
        reason=None if reason is None else EndReason(reason),
        started_at=started_at,
        ended_at=ended_at,
        meter_start_wh=meter_start_wh,
        meter_stop_wh=meter_stop_wh,
        engine_cost=Money(engine_cost),
        estimated=bool(estimated),
        revision=revision,
        issued_at=issued_at,
    )


def key_row(key: RequestKey) -> Row:
    return (key.role.value, key.sender, key.message_id)


def answer_row(answer: RememberedAnswer) -> Row:
    return (*key_row(answer.key), answer.digest, answer.answer, answer.answered_at)


def answer_from(row: Stored) -> RememberedAnswer:
    role, sender, message_id, digest, answer, answered_at = row
    return RememberedAnswer(
        key=RequestKey(role=Role(role), sender=sender, message_id=message_id),
        digest=digest,
        answer=bytes(answer),
        answered_at=answered_at,
    )


def intent_row(intent: StopIntent) -> Row:
    return (
        intent.session_id,
        intent.cp_id,
        intent.connector_id,
        intent.reason.value,
        intent.since,
    )


def intent_from(row: Stored) -> StopIntent:
    session_id, cp_id, connector_id, reason, since = row
    return StopIntent(
        session_id=session_id,
        cp_id=cp_id,
        connector_id=connector_id,
        reason=EndReason(reason),
        since=since,
    )


def outbox_row(entry: OutboxEntry) -> Row:
    return (entry.number, entry.topic, entry.key, entry.value)


def outbox_from(row: Stored) -> OutboxEntry:
    number, topic, key, value = row
    return OutboxEntry(number=number, topic=topic, key=key, value=bytes(value))


def audit_row(entry: AuditEntry) -> Row:
    return (
        entry.entry_id,
        entry.at,
        entry.admin_id,
        entry.command,
        entry.cp_id,
        entry.reason,
        entry.succeeded,
        entry.failed,
    )


def audit_from(row: Stored) -> AuditEntry:
    entry_id, at, admin_id, command, cp_id, reason, succeeded, failed = row
    return AuditEntry(
        entry_id=entry_id,
        at=at,
        admin_id=admin_id,
        command=command,
        cp_id=cp_id,
        reason=reason,
        succeeded=succeeded,
        failed=failed,
    )


def command_row(command: Command) -> Row:
    return (
        command.command_id,
        command.cp_id,
        command.action,
        _as_json(command.payload),
        command.message,
        command.state.value,
        command.by,
        command.at_ms,
        command.changed_ms,
        command.expires_ms,
        command.connection,
        command.reason,
        command.entry_id,
        None if command.answer is None else _as_json(command.answer),
        command.error_code,
        command.error_description,
    )


def command_from(row: Stored) -> Command:
    (
        command_id,
        cp_id,
        action,
        payload,
        message,
        state,
        ordered_by,
        at_ms,
        changed_ms,
        expires_ms,
        connection,
        reason,
        entry_id,
        answer,
        error_code,
        error_description,
    ) = row
    return Command(
        command_id=command_id,
        cp_id=cp_id,
        action=action,
        payload=msgspec.json.decode(payload),
        message=bytes(message),
        state=CommandState(state),
        by=ordered_by,
        at_ms=at_ms,
        changed_ms=changed_ms,
        expires_ms=expires_ms,
        connection=connection,
        reason=reason,
        entry_id=entry_id,
        answer=None if answer is None else msgspec.json.decode(answer),
        error_code=error_code,
        error_description=error_description,
    )


def _as_json(payload: dict[str, Any]) -> str:
    return msgspec.json.encode(payload).decode()


def tag_row(key: str, stored: StoredTag) -> Row:
    """Less the number of the change, which the database gives."""
    tag = stored.tag
    return (
        key,
        tag.id_tag,
        tag.driver_id,
        tag.parent_id_tag,
        tag.expires_at,
        tag.blocked,
        tag.max_concurrent,
        tag.note,
        stored.removed,
    )


def tag_from(row: Stored) -> StoredTag:
    _key, id_tag, driver_id, parent, expires_at, blocked, concurrent, note, removed, change = row
    return StoredTag(
        tag=IdTagRow(
            id_tag=id_tag,
            driver_id=driver_id,
            parent_id_tag=parent,
            expires_at=expires_at,
            blocked=bool(blocked),
            max_concurrent=concurrent,
            note=note,
        ),
        removed=bool(removed),
        change=change,
    )


def credential_from(row: Stored) -> Credential:
    change, role, peer_id, hash_, made_at, revoked_at = row
    return Credential(
        role=role,
        id=peer_id,
        hash=hash_,
        made_at=made_at,
        revoked_at=revoked_at,
        change=change,
    )
