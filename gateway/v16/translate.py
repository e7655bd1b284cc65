"""OCPP 1.6 and the network's messages: one table for what comes, one for what goes.

A row names an action, when it is answered, and two functions: from the payload to the network's
messages, and from central's answer to the payload. Nothing here knows a rule of the
business: what a charge point says is said on, in the network's words and units.
"""

from typing import Any

import msgspec

from common.errors import Reason
from common.gateway_messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    BootRequest,
    ChargeStarted,
    ChargeStartedResponse,
    ConnectorFault,
    ConnectorRecovery,
    ConnectorStatus,
    MeterReport,
    OcppCommand,
    OcppEvent,
    OcppRequest,
    OcppResponse,
    TransactionCompletion,
    TransactionResponse,
)
from common.gateway_messages import IdTagInfo as IdTagSaid
from common.messages import (
    CommandOutcome,
    Message,
    Outcome,
    RegisterResponse,
    Response,
    ResumeCpCommand,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.units import MAX_CONNECTORS
from common.units import Payload as Json
from gateway.ocppj import CallErrorCode, CallFailed
from gateway.v16 import lenient
from gateway.v16 import messages as m
from gateway.v16.meter import energy_and_power, samples_of
from gateway.v16.payloads import check, decode_request, decode_response, encode
from gateway.version import Downward, Origin, Policy, Upward, Version

HEARTBEAT_INTERVAL = 300
"""Seconds, where central names none."""


# ---- From the charge point --------------------------------------------------------------------


def _boot(said: m.BootNotificationRequest, origin: Origin) -> tuple[Message, ...]:
    return (
        BootRequest(
            **origin.stamp,
            vendor=said.charge_point_vendor,
            model=said.charge_point_model,
            serial_number=said.charge_point_serial_number,
            box_serial_number=said.charge_box_serial_number,
            firmware_version=said.firmware_version,
            iccid=said.iccid,
            imsi=said.imsi,
            meter_type=said.meter_type,
            meter_serial_number=said.meter_serial_number,
        ),
    )


def _status(said: m.StatusNotificationRequest, origin: Origin) -> tuple[Message, ...]:
    connector = _connector(said.connector_id)
    told: dict[str, Any] = {
        "connector_id": connector,
        "info": said.info,
        "vendor_id": said.vendor_id,
        "vendor_error_code": said.vendor_error_code,
        "at_ms": None if said.timestamp is None else int(said.timestamp),
    }
    if said.status == "Faulted":
        origin.faulted.add(connector)
        kind = "OtherError" if said.error_code in ("NoError", "") else said.error_code
        return (ConnectorFault(**origin.stamp, **told, fault_type=kind),)
    status = ConnectorStatus(**origin.stamp, **told, status=said.status, error_code=said.error_code)
    if connector not in origin.faulted:
        return (status,)
    origin.faulted.discard(connector)
    stamp = origin.stamp | {"message_id": f"{origin.message_id}-r"}
    recovery = ConnectorRecovery(**stamp, connector_id=connector, at_ms=told["at_ms"])
    return (recovery, status)


def _authorize(said: m.AuthorizeRequest, origin: Origin) -> tuple[Message, ...]:
    return (AuthorizeRequest(**origin.stamp, id_tag=said.id_tag),)


def _start(said: m.StartTransactionRequest, origin: Origin) -> tuple[Message, ...]:
    return (
        ChargeStarted(
            **origin.stamp,
            connector_id=_connector(said.connector_id, least=1),
            id_tag=said.id_tag,
            meter_start_wh=said.meter_start,
            at_ms=int(said.timestamp),
            reservation_id=said.reservation_id,
        ),
    )


def _meter(said: m.MeterValuesRequest, origin: Origin) -> tuple[Message, ...]:
    samples = samples_of(said.meter_value)
    energy, power = energy_and_power(samples)
    return (
        MeterReport(
            message_id=origin.message_id,
            timestamp=origin.at,
            cp_id=origin.cp_id,
            connector_id=_connector(said.connector_id),
            transaction_id=said.transaction_id,
            meter_wh=energy,
            charging_rate=power,
            samples=samples,
        ),
    )


def _stop(said: m.StopTransactionRequest, origin: Origin) -> tuple[Message, ...]:
    return (
        TransactionCompletion(
            **origin.stamp,
            transaction_id=said.transaction_id,
            meter_stop_wh=said.meter_stop,
            at_ms=int(said.timestamp),
            stop_reason=said.reason or "Local",
            id_tag=said.id_tag,
            samples=samples_of(said.transaction_data or ()),
        ),
    )


def _event(said: m.Payload, origin: Origin) -> tuple[Message, ...]:
    action = type(said).__name__.removesuffix("Request")
    return (OcppEvent(**origin.stamp, action=action, payload=as_json(said)),)


def _request(said: m.Payload, origin: Origin) -> tuple[Message, ...]:
    action = type(said).__name__.removesuffix("Request")
    return (OcppRequest(**origin.stamp, action=action, payload=as_json(said)),)


def _nothing(said: m.Payload, origin: Origin) -> tuple[Message, ...]:
    return ()


def _connector(number: int, least: int = 0) -> int:
    """A connector's number, where the network has one for it.

    Raises:
        CallFailed: It has not.
    """
    if not least <= number <= MAX_CONNECTORS:
        raise CallFailed(
            CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
            f"$.connectorId: {least} to {MAX_CONNECTORS}",
        )
    return number


def as_json(said: m.Payload) -> Json:
    """A payload as OCPP spells it."""
    return Json(msgspec.json.decode(encode(said)))


# ---- The answers ------------------------------------------------------------------------------


def _time(_: object, now: int) -> m.Payload:
    return m.HeartbeatResponse(current_time=m.Timestamp(now))


def _no_more(_: object, now: int) -> Json:
    return Json()


def _booted(answer: RegisterResponse, now: int) -> m.Payload:
    status: Any = "Accepted" if answer.status is Outcome.SUCCESS else "Rejected"
    if answer.pending:
        status = "Pending"
    interval = answer.heartbeat_interval or HEARTBEAT_INTERVAL
    return m.BootNotificationResponse(
        status=status, current_time=m.Timestamp(now), interval=interval
    )


def _authorized(answer: AuthorizeResponse, now: int) -> m.Payload:
    return m.AuthorizeResponse(id_tag_info=_id_tag_info(_said(answer, answer.id_tag_info)))


def _started(answer: ChargeStartedResponse, now: int) -> m.Payload:
    return m.StartTransactionResponse(
        id_tag_info=_id_tag_info(_said(answer, answer.id_tag_info)),
        transaction_id=_said(answer, answer.transaction_id),
    )


def _stopped(answer: TransactionResponse, now: int) -> m.Payload:
    _must_be_done(answer)
    info = answer.id_tag_info
    return m.StopTransactionResponse(id_tag_info=None if info is None else _id_tag_info(info))


def _answered(answer: OcppResponse, now: int) -> Json:
    _must_be_done(answer)
    return answer.payload


def _id_tag_info(said: IdTagSaid) -> m.IdTagInfo:
    expires = None if said.expires_at is None else m.Timestamp(said.expires_at * 1000)
    # The network's tags may be longer than OCPP's: such a parent no charge point could compare.
    parent = said.parent_id_tag if said.parent_id_tag and len(said.parent_id_tag) <= 20 else None
    return m.IdTagInfo(status=said.status.value, expiry_date=expires, parent_id_tag=parent)


def _said(answer: Response, value: Any) -> Any:
    """What central said; where it did not, its refusal."""
    if value is None:
        raise refused(answer.error, answer.message)
    return value


def _must_be_done(answer: Response) -> None:
    if answer.status is not Outcome.SUCCESS:
        raise refused(answer.error, answer.message)


CALL_ERRORS = {
    Reason.NOT_AUTHENTICATED: CallErrorCode.SECURITY_ERROR,
    Reason.NOT_ALLOWED: CallErrorCode.SECURITY_ERROR,
    Reason.UNKNOWN_CHARGE_POINT: CallErrorCode.SECURITY_ERROR,
    Reason.UNSUPPORTED_MESSAGE: CallErrorCode.NOT_SUPPORTED,
    Reason.INVALID_MESSAGE: CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    Reason.INTERNAL: CallErrorCode.INTERNAL_ERROR,
    Reason.OVERLOADED: CallErrorCode.INTERNAL_ERROR,
    Reason.STANDBY: CallErrorCode.INTERNAL_ERROR,
    Reason.TIMED_OUT: CallErrorCode.INTERNAL_ERROR,
}
"""The CALLERROR for central's refusal; GenericError for any other."""


def refused(reason: Reason | None, text: str) -> CallFailed:
    """The CALLERROR that says what central refused."""
    code = CALL_ERRORS.get(reason, CallErrorCode.GENERIC_ERROR) if reason else None
    return CallFailed(code or CallErrorCode.GENERIC_ERROR, text)


AT_ONCE, AFTER_PUBLISH, FROM_CENTRAL = Policy

# fmt: off
_UPWARD = (
    #      action                                policy         messages    answer
    Upward("Heartbeat",                          AT_ONCE,       _nothing,   _time),
    Upward("StatusNotification",                 AFTER_PUBLISH, _status,    _no_more),
    Upward("MeterValues",                        AFTER_PUBLISH, _meter,     _no_more),
    Upward("DiagnosticsStatusNotification",      AFTER_PUBLISH, _event,     _no_more),
    Upward("FirmwareStatusNotification",         AFTER_PUBLISH, _event,     _no_more),
    Upward("SignedFirmwareStatusNotification",   AFTER_PUBLISH, _event,     _no_more),
    Upward("LogStatusNotification",              AFTER_PUBLISH, _event,     _no_more),
    Upward("SecurityEventNotification",          AFTER_PUBLISH, _event,     _no_more),
    Upward("BootNotification",                   FROM_CENTRAL,  _boot,      _booted),
    Upward("Authorize",                          FROM_CENTRAL,  _authorize, _authorized),
    Upward("StartTransaction",                   FROM_CENTRAL,  _start,     _started),
    Upward("StopTransaction",                    FROM_CENTRAL,  _stop,      _stopped),
    Upward("DataTransfer",                       FROM_CENTRAL,  _request,   _answered),
    Upward("SignCertificate",                    FROM_CENTRAL,  _request,   _answered),
)
# fmt: on

UPWARD: dict[str, Upward] = {row.action: row for row in _UPWARD}
"""Every action of a charge point's, by its name."""


# ---- To the charge point ----------------------------------------------------------------------


def _remote_start(command: StartChargingCommand) -> tuple[str, Json]:
    id_tag = command.id_tag or command.driver_id
    return "RemoteStartTransaction", Json(connectorId=command.connector_id, idTag=id_tag)


def _remote_stop(command: StopChargingCommand) -> tuple[str, Json]:
    if command.transaction_id is None:
        raise CallFailed(CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, "$.transactionId: required")
    return "RemoteStopTransaction", Json(transactionId=command.transaction_id)


def _stop_point(command: StopCpCommand) -> tuple[str, Json]:
    return "ChangeAvailability", Json(connectorId=command.connector_id or 0, type="Inoperative")


def _resume_point(command: ResumeCpCommand) -> tuple[str, Json]:
    return "ChangeAvailability", Json(connectorId=command.connector_id or 0, type="Operative")


def _ocpp(command: OcppCommand) -> tuple[str, Json]:
    return command.action, command.payload


_DOWNWARD = (
    Downward(StartChargingCommand, _remote_start),
    Downward(StopChargingCommand, _remote_stop),
    Downward(StopCpCommand, _stop_point),
    Downward(ResumeCpCommand, _resume_point),
    Downward(OcppCommand, _ocpp),
)

DOWNWARD: dict[type[Message], Downward] = {row.message: row for row in _DOWNWARD}
"""Every command of central's, by its type."""

DONE = frozenset({"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"})
"""The statuses of a CALLRESULT that say it is done, or will be; every other says it is not."""


def outcome_of(answer: Json) -> CommandOutcome:
    """What a charge point's answer means; one without a status is what was asked for."""
    done = answer.get("status", "Accepted") in DONE
    return CommandOutcome.ACCEPTED if done else CommandOutcome.REJECTED


V16 = Version(
    subprotocol="ocpp1.6",
    name="1.6",
    upward=UPWARD,
    downward=DOWNWARD,
    decode_request=decode_request,
    decode_request_leniently=lenient.decode_request,
    decode_response=decode_response,
    decode_response_leniently=lenient.decode_response,
    check=check,
    encode=encode,
    outcome_of=outcome_of,
    refused=refused,
)
"""All of it, for who carries calls and messages to and fro."""
