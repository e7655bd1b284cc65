"""The table of OCPP 1.6's actions: who calls it, and what is said either way."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.v16 import messages as m
from gateway.v16.types import Payload


class Profile(StrEnum):
    """Which part of OCPP 1.6 an action belongs to (3.3)."""

    CORE = "Core"
    FIRMWARE_MANAGEMENT = "FirmwareManagement"
    LOCAL_AUTH_LIST_MANAGEMENT = "LocalAuthListManagement"
    RESERVATION = "Reservation"
    SMART_CHARGING = "SmartCharging"
    REMOTE_TRIGGER = "RemoteTrigger"
    SECURITY = "Security"


class Direction(StrEnum):
    """Who may call it."""

    FROM_CHARGE_POINT = "from_charge_point"
    TO_CHARGE_POINT = "to_charge_point"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Action:
    """A row: what is asked by whom, and how it is answered."""

    name: str
    profile: Profile
    direction: Direction
    request: type[Payload]
    response: type[Payload]

    @property
    def from_charge_point(self) -> bool:
        """A charge point may call it."""
        return self.direction is not Direction.TO_CHARGE_POINT

    @property
    def to_charge_point(self) -> bool:
        """We may call it."""
        return self.direction is not Direction.FROM_CHARGE_POINT


def _rows(
    profile: Profile, direction: Direction, *pairs: tuple[type[Payload], type[Payload]]
) -> Iterator[Action]:
    for request, response in pairs:
        name = request.__name__.removesuffix("Request")
        yield Action(name, profile, direction, request, response)


_UP, _DOWN, _BOTH = Direction

_ROWS = (
    *_rows(
        Profile.CORE,
        _UP,
        (m.AuthorizeRequest, m.AuthorizeResponse),
        (m.BootNotificationRequest, m.BootNotificationResponse),
        (m.HeartbeatRequest, m.HeartbeatResponse),
        (m.MeterValuesRequest, m.MeterValuesResponse),
        (m.StartTransactionRequest, m.StartTransactionResponse),
        (m.StatusNotificationRequest, m.StatusNotificationResponse),
        (m.StopTransactionRequest, m.StopTransactionResponse),
    ),
    *_rows(
        Profile.CORE,
        _BOTH,
        (m.DataTransferRequest, m.DataTransferResponse),
    ),
    *_rows(
        Profile.CORE,
        _DOWN,
        (m.ChangeAvailabilityRequest, m.ChangeAvailabilityResponse),
        (m.ChangeConfigurationRequest, m.ChangeConfigurationResponse),
        (m.ClearCacheRequest, m.ClearCacheResponse),
        (m.GetConfigurationRequest, m.GetConfigurationResponse),
        (m.RemoteStartTransactionRequest, m.RemoteStartTransactionResponse),
        (m.RemoteStopTransactionRequest, m.RemoteStopTransactionResponse),
        (m.ResetRequest, m.ResetResponse),
        (m.UnlockConnectorRequest, m.UnlockConnectorResponse),
    ),
    *_rows(
        Profile.FIRMWARE_MANAGEMENT,
        _UP,
        (m.DiagnosticsStatusNotificationRequest, m.DiagnosticsStatusNotificationResponse),
        (m.FirmwareStatusNotificationRequest, m.FirmwareStatusNotificationResponse),
    ),
    *_rows(
        Profile.FIRMWARE_MANAGEMENT,
        _DOWN,
        (m.GetDiagnosticsRequest, m.GetDiagnosticsResponse),
        (m.UpdateFirmwareRequest, m.UpdateFirmwareResponse),
    ),
    *_rows(
        Profile.LOCAL_AUTH_LIST_MANAGEMENT,
        _DOWN,
        (m.GetLocalListVersionRequest, m.GetLocalListVersionResponse),
        (m.SendLocalListRequest, m.SendLocalListResponse),
    ),
    *_rows(
        Profile.RESERVATION,
        _DOWN,
        (m.CancelReservationRequest, m.CancelReservationResponse),
        (m.ReserveNowRequest, m.ReserveNowResponse),
    ),
    *_rows(
        Profile.SMART_CHARGING,
        _DOWN,
        (m.ClearChargingProfileRequest, m.ClearChargingProfileResponse),
        (m.GetCompositeScheduleRequest, m.GetCompositeScheduleResponse),
        (m.SetChargingProfileRequest, m.SetChargingProfileResponse),
    ),
    *_rows(
        Profile.REMOTE_TRIGGER,
        _DOWN,
        (m.TriggerMessageRequest, m.TriggerMessageResponse),
    ),
    *_rows(
        Profile.SECURITY,
        _UP,
        (m.LogStatusNotificationRequest, m.LogStatusNotificationResponse),
        (m.SecurityEventNotificationRequest, m.SecurityEventNotificationResponse),
        (m.SignCertificateRequest, m.SignCertificateResponse),
        (m.SignedFirmwareStatusNotificationRequest, m.SignedFirmwareStatusNotificationResponse),
    ),
    *_rows(
        Profile.SECURITY,
        _DOWN,
        (m.CertificateSignedRequest, m.CertificateSignedResponse),
        (m.DeleteCertificateRequest, m.DeleteCertificateResponse),
        (m.ExtendedTriggerMessageRequest, m.ExtendedTriggerMessageResponse),
        (m.GetInstalledCertificateIdsRequest, m.GetInstalledCertificateIdsResponse),
        (m.GetLogRequest, m.GetLogResponse),
        (m.InstallCertificateRequest, m.InstallCertificateResponse),
        (m.SignedUpdateFirmwareRequest, m.SignedUpdateFirmwareResponse),
    ),
)

ACTIONS: dict[str, Action] = {row.name: row for row in _ROWS}
"""Every action by its name."""
