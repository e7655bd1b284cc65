"""A charge point that others wrote: that of the public package `ocpp`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result

DOWN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CancelReservation": ({"reservationId": 1}, {"status": "Accepted"}),
    "ChangeAvailability": ({"connectorId": 0, "type": "Operative"}, {"status": "Scheduled"}),
    "ChangeConfiguration": ({"key": "K", "value": "1"}, {"status": "RebootRequired"}),
    "ClearCache": ({}, {"status": "Accepted"}),
    "ClearChargingProfile": ({}, {"status": "Accepted"}),
    "DataTransfer": ({"vendorId": "V"}, {"status": "Accepted"}),
    "GetCompositeSchedule": ({"connectorId": 1, "duration": 60}, {"status": "Accepted"}),
    "GetConfiguration": ({"key": ["K"]}, {"unknown_key": ["K"]}),
    "GetDiagnostics": ({"location": "ftp://here"}, {"file_name": "log"}),
    "GetLocalListVersion": ({}, {"list_version": 1}),
    "RemoteStartTransaction": ({"idTag": "TAG1"}, {"status": "Accepted"}),
    "RemoteStopTransaction": ({"transactionId": 1}, {"status": "Accepted"}),
    "ReserveNow": (
        {
            "connectorId": 1,
            "expiryDate": "2026-11-21T10:30:00.000Z",
            "idTag": "TAG1",
            "reservationId": 1,
        },
        {"status": "Accepted"},
    ),
    "Reset": ({"type": "Soft"}, {"status": "Accepted"}),
    "SendLocalList": ({"listVersion": 1, "updateType": "Full"}, {"status": "Accepted"}),
    "SetChargingProfile": (
        {
            "connectorId": 1,
            "csChargingProfiles": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}],
                },
            },
        },
        {"status": "Accepted"},
    ),
    "TriggerMessage": ({"requestedMessage": "Heartbeat"}, {"status": "Accepted"}),
    "UnlockConnector": ({"connectorId": 1}, {"status": "Unlocked"}),
    "UpdateFirmware": (
        {"location": "ftp://here", "retrieveDate": "2026-11-21T10:30:00.000Z"},
        {},
    ),
    "CertificateSigned": ({"certificateChain": "PEM"}, {"status": "Accepted"}),
    "DeleteCertificate": (
        {
            "certificateHashData": {
                "hashAlgorithm": "SHA256",
                "issuerNameHash": "a",
                "issuerKeyHash": "b",
                "serialNumber": "c",
            }
        },
        {"status": "Accepted"},
    ),
    "ExtendedTriggerMessage": ({"requestedMessage": "Heartbeat"}, {"status": "Accepted"}),
    "GetInstalledCertificateIds": (
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted"},
    ),
    "GetLog": (
        {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://here"}},
        {"status": "Accepted"},
    ),
    "InstallCertificate": (
        {"certificateType": "CentralSystemRootCertificate", "certificate": "PEM"},
        {"status": "Accepted"},
    ),
    "SignedUpdateFirmware": (
        {
            "requestId": 1,
            "firmware": {
                "location": "ftp://here",
                "retrieveDateTime": "2026-11-21T10:30:00.000Z",
                "signingCertificate": "PEM",
                "signature": "s",
            },
        },
        {"status": "Accepted"},
    ),
}
"""Every call to a charge point: a payload, and what this one answers."""


def _answering(action: str, answer: dict[str, Any]) -> Callable[..., Any]:
    def handle(self: "PublicPoint", **payload: Any) -> Any:
        self.asked.append((action, payload))
        return getattr(call_result, action)(**answer)

    handle.__name__ = f"on_{action}"  # by which the package finds it
    marked: Callable[..., Any] = on(action)(handle)
    return marked


class PublicPoint(ChargePoint):  # type: ignore[misc]
    """Answers every call.

    Attributes:
        asked: What it was asked, with the payload in the package's spelling.
    """

    def __init__(self, *given: Any) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        super().__init__(*given)


for _action, (_, _answer) in DOWN.items():
    setattr(PublicPoint, f"on_{_action}", _answering(_action, _answer))


@asynccontextmanager
async def public_point(url: str, **options: Any) -> AsyncIterator[PublicPoint]:
    """A charge point that is connected inside the block; its id is the last part of the URL."""
    subprotocols = [websockets.Subprotocol("ocpp1.6")]
    async with websockets.connect(url, subprotocols=subprotocols, proxy=None, **options) as socket:
        point = PublicPoint(url.rpartition("/")[2], socket)
        listening = asyncio.create_task(point.start())
        try:
            yield point
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
