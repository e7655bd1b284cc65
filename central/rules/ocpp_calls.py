"""The OCPP calls that charge points are sent: which there are, and which may be sent twice."""

from typing import assert_never

from common.gateway_messages import OcppCommand
from common.messages import (
    ResumeCpCommand,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.units import Payload

CHANGE_AVAILABILITY = "ChangeAvailability"
REMOTE_START = "RemoteStartTransaction"
REMOTE_STOP = "RemoteStopTransaction"

DOWNWARD = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        CHANGE_AVAILABILITY,
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        REMOTE_START,
        REMOTE_STOP,
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
    }
)
"""Every call of OCPP 1.6 and its security extension that a charge point may be sent."""

_REPEATABLE = frozenset(
    {CHANGE_AVAILABILITY, "ChangeConfiguration", "TriggerMessage", "ExtendedTriggerMessage"}
)

DownMessage = (
    StartChargingCommand | StopChargingCommand | StopCpCommand | ResumeCpCommand | OcppCommand
)
"""What a gateway may be told to send."""


def is_repeatable(action: str) -> bool:
    """Whether doing it twice is the same as doing it once."""
    return action in _REPEATABLE or action.startswith("Get")


def call_of(message: DownMessage) -> tuple[str, Payload]:
    """The OCPP call that a gateway makes of a message: its action and its payload."""
    match message:
        case StartChargingCommand(connector_id=connector_id):
            id_tag = message.id_tag or message.driver_id
            return REMOTE_START, Payload(connectorId=connector_id, idTag=id_tag)
        case StopChargingCommand(transaction_id=transaction_id):
            return REMOTE_STOP, Payload(transactionId=transaction_id)
        case StopCpCommand(connector_id=connector_id):
            return CHANGE_AVAILABILITY, Payload(connectorId=connector_id or 0, type="Inoperative")
        case ResumeCpCommand(connector_id=connector_id):
            return CHANGE_AVAILABILITY, Payload(connectorId=connector_id or 0, type="Operative")
        case OcppCommand(action=action, payload=payload):
            return action, payload
        case _:
            assert_never(message)
