"""Every call of OCPP 1.6 and of its security extension, with what answers it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ocpp.v16 import call, call_result

LATER = "2035-01-01T00:00:00Z"

HASH: dict[str, Any] = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "ab" * 32,
    "issuerKeyHash": "cd" * 32,
    "serialNumber": "01",
}

PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7400.5, "numberPhases": 3}],
    },
}

FIRMWARE: dict[str, Any] = {
    "location": "https://firmware.example/1.bin",
    "retrieveDateTime": LATER,
    "signingCertificate": "-----BEGIN CERTIFICATE-----",
    "signature": "c2lnbmVk",
}


@dataclass(frozen=True, slots=True)
class Down:
    """A call of central's.

    Attributes:
        payload: What an operator asks for, which is what must come to the charge point.
        answer: What the charge point answers, as the package `ocpp` has it.
        told: What of it the operator is told; all of it.
        state: What becomes of the command.
    """

    action: str
    payload: dict[str, Any]
    answer: Any
    told: dict[str, Any] = field(default_factory=lambda: {"status": "Accepted"})
    state: str = "accepted"


DOWN = (
    Down("CancelReservation", {"reservationId": 7}, call_result.CancelReservation("Accepted")),
    Down(
        "ChangeAvailability",
        {"connectorId": 1, "type": "Operative"},
        call_result.ChangeAvailability("Scheduled"),
        {"status": "Scheduled"},
    ),
    Down(
        "ChangeConfiguration",
        {"key": "MeterValueSampleInterval", "value": "30"},
        call_result.ChangeConfiguration("RebootRequired"),
        {"status": "RebootRequired"},
    ),
    Down("ClearCache", {}, call_result.ClearCache("Accepted")),
    Down(
        "ClearChargingProfile",
        {"connectorId": 0, "stackLevel": 3},
        call_result.ClearChargingProfile("Unknown"),
        {"status": "Unknown"},
        "rejected",
    ),
    Down(
        "DataTransfer",
        {"vendorId": "com.example", "messageId": "hello", "data": "é \u20ac"},
        call_result.DataTransfer("Accepted", data="there"),
        {"status": "Accepted", "data": "there"},
    ),
    Down(
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 600, "chargingRateUnit": "W"},
        call_result.GetCompositeSchedule("Accepted", connector_id=1, schedule_start=LATER),
        {"status": "Accepted", "connectorId": 1, "scheduleStart": LATER},
    ),
    Down(
        "GetConfiguration",
        {"key": ["HeartbeatInterval", "NoSuchKey"]},
        call_result.GetConfiguration(
            [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}], ["NoSuchKey"]
        ),
        {
            "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}],
            "unknownKey": ["NoSuchKey"],
        },
    ),
    Down(
        "GetDiagnostics",
        {"location": "ftp://files.example/in", "retries": 2, "startTime": LATER},
        call_result.GetDiagnostics(file_name="diagnostics.zip"),
        {"fileName": "diagnostics.zip"},
    ),
    Down(
        "GetLocalListVersion",
        {},
        call_result.GetLocalListVersion(list_version=-1),
        {"listVersion": -1},
    ),
    Down(
        "RemoteStartTransaction",
        {"idTag": "DOWN-1", "connectorId": 1},
        call_result.RemoteStartTransaction("Rejected"),
        {"status": "Rejected"},
        "rejected",
    ),
    Down(
        "RemoteStopTransaction",
        {"transactionId": 123456},
        call_result.RemoteStopTransaction("Rejected"),
        {"status": "Rejected"},
        "rejected",
    ),
    Down(
        "ReserveNow",
        {"connectorId": 1, "expiryDate": LATER, "idTag": "DOWN-1", "reservationId": 7},
        call_result.ReserveNow("Occupied"),
        {"status": "Occupied"},
        "rejected",
    ),
    Down("Reset", {"type": "Soft"}, call_result.Reset("Accepted")),
    Down(
        "SendLocalList",
        {
            "listVersion": 2,
            "updateType": "Full",
            "localAuthorizationList": [{"idTag": "ANA", "idTagInfo": {"status": "Accepted"}}],
        },
        call_result.SendLocalList("VersionMismatch"),
        {"status": "VersionMismatch"},
        "rejected",
    ),
    Down(
        "SetChargingProfile",
        {"connectorId": 1, "csChargingProfiles": PROFILE},
        call_result.SetChargingProfile("Accepted"),
    ),
    Down(
        "TriggerMessage",
        {"requestedMessage": "MeterValues", "connectorId": 1},
        call_result.TriggerMessage("NotImplemented"),
        {"status": "NotImplemented"},
        "rejected",
    ),
    Down(
        "UnlockConnector",
        {"connectorId": 1},
        call_result.UnlockConnector("Unlocked"),
        {"status": "Unlocked"},
    ),
    Down(
        "UpdateFirmware",
        {"location": "ftp://files.example/1.bin", "retrieveDate": LATER, "retries": 1},
        call_result.UpdateFirmware(),
        {},
    ),
    # -- The security extension --
    Down(
        "CertificateSigned",
        {"certificateChain": "-----BEGIN CERTIFICATE-----"},
        call_result.CertificateSigned("Rejected"),
        {"status": "Rejected"},
        "rejected",
    ),
    Down(
        "DeleteCertificate",
        {"certificateHashData": HASH},
        call_result.DeleteCertificate("NotFound"),
        {"status": "NotFound"},
        "rejected",
    ),
    Down(
        "ExtendedTriggerMessage",
        {"requestedMessage": "LogStatusNotification"},
        call_result.ExtendedTriggerMessage("Accepted"),
    ),
    Down(
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        call_result.GetInstalledCertificateIds("Accepted", [HASH]),
        {"status": "Accepted", "certificateHashData": [HASH]},
    ),
    Down(
        "GetLog",
        {
            "log": {"remoteLocation": "https://files.example/in"},
            "logType": "SecurityLog",
            "requestId": 3,
        },
        call_result.GetLog("AcceptedCanceled", filename="log.zip"),
        {"status": "AcceptedCanceled", "filename": "log.zip"},
    ),
    Down(
        "InstallCertificate",
        {
            "certificateType": "ManufacturerRootCertificate",
            "certificate": "-----BEGIN CERTIFICATE-----",
        },
        call_result.InstallCertificate("Failed"),
        {"status": "Failed"},
        "rejected",
    ),
    Down(
        "SignedUpdateFirmware",
        {"requestId": 4, "firmware": FIRMWARE},
        call_result.SignedUpdateFirmware("InvalidCertificate"),
        {"status": "InvalidCertificate"},
        "rejected",
    ),
)
"""The 19 + 7 calls down."""


def _is_empty(answer: Any) -> bool:
    return not any(vars(answer).values())


@dataclass(frozen=True, slots=True)
class Up:
    """A call of a charge point's that begins nothing.

    Attributes:
        expected: Whether the answer is right.
    """

    payload: Any
    expected: Callable[[Any], bool] = _is_empty

    @property
    def action(self) -> str:
        """What is called."""
        return type(self.payload).__name__


UP = (
    Up(call.Authorize(id_tag="NOBODY"), lambda a: a.id_tag_info == {"status": "Invalid"}),
    Up(
        call.BootNotification(
            charge_point_model="M" * 20,
            charge_point_vendor="V" * 20,
            charge_box_serial_number="box",
            charge_point_serial_number="serial",
            firmware_version="1.2.3",
            iccid="iccid",
            imsi="imsi",
            meter_serial_number="meter",
            meter_type="type",
        ),
        lambda a: a.status == "Accepted" and a.interval > 0 and a.current_time.endswith("Z"),
    ),
    Up(
        call.DataTransfer(vendor_id="com.example", message_id="m", data="d"),
        lambda a: a.status == "UnknownVendorId",
    ),
    Up(call.DiagnosticsStatusNotification(status="Uploading")),
    Up(call.FirmwareStatusNotification(status="Installed")),
    Up(call.Heartbeat(), lambda a: a.current_time.endswith("Z")),
    Up(
        call.MeterValues(
            connector_id=0,
            meter_value=[
                {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "230.1"}]}
            ],
        )
    ),
    Up(call.StatusNotification(connector_id=1, error_code="NoError", status="Available")),
    # -- The security extension --
    Up(call.LogStatusNotification(status="Uploaded", request_id=3)),
    Up(
        call.SecurityEventNotification(
            type="SettingSystemTime", timestamp="2026-01-01T00:00:00Z", tech_info="by hand"
        )
    ),
    Up(call.SignCertificate(csr="-----BEGIN CERTIFICATE REQUEST-----"), lambda a: bool(a.status)),
    Up(call.SignedFirmwareStatusNotification(status="InstallVerificationFailed", request_id=4)),
)
"""The 10 + 4 calls up, but StartTransaction and StopTransaction, which belong together."""
