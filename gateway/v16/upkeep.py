"""Four small profiles of OCPP 1.6: firmware, local list, reservation, remote trigger."""

from gateway.v16.core import IdTagInfo
from gateway.v16.types import CiString255, IdToken, Integer, Maybe, Payload, Timestamp
from gateway.v16.words import (
    DiagnosticsStatus,
    FirmwareStatus,
    MessageTrigger,
    PlainStatus,
    ReservationStatus,
    TriggerMessageStatus,
    UpdateStatus,
    UpdateType,
)

# ---- FirmwareManagement -----------------------------------------------------------------------


class GetDiagnosticsRequest(Payload, frozen=True, kw_only=True):
    """Upload what the charge point has logged between these times; `location` is a URI."""

    location: str
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None
    start_time: Maybe[Timestamp] = None
    stop_time: Maybe[Timestamp] = None


class GetDiagnosticsResponse(Payload, frozen=True, kw_only=True):
    """Under this name; without one there is nothing to upload."""

    file_name: Maybe[CiString255] = None


class DiagnosticsStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How far the upload is."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""


class UpdateFirmwareRequest(Payload, frozen=True, kw_only=True):
    """Fetch new firmware from this URI, not before this time."""

    location: str
    retrieve_date: Timestamp
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None


class UpdateFirmwareResponse(Payload, frozen=True, kw_only=True):
    """It was heard; notifications say what becomes of it."""


class FirmwareStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How far the update is."""

    status: FirmwareStatus


class FirmwareStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""


# ---- LocalAuthListManagement ------------------------------------------------------------------


class GetLocalListVersionRequest(Payload, frozen=True, kw_only=True):
    """Which version of the local list is there?"""


class GetLocalListVersionResponse(Payload, frozen=True, kw_only=True):
    """This one; 0 is an empty list, -1 none at all."""

    list_version: Integer


class AuthorizationData(Payload, frozen=True, kw_only=True):
    """An id tag of the local list; in a differential update one without info is to be removed."""

    id_tag: IdToken
    id_tag_info: Maybe[IdTagInfo] = None


class SendLocalListRequest(Payload, frozen=True, kw_only=True):
    """Take this list, or these changes of it."""

    list_version: Integer
    update_type: UpdateType
    local_authorization_list: Maybe[tuple[AuthorizationData, ...]] = None


class SendLocalListResponse(Payload, frozen=True, kw_only=True):
    """Whether it did."""

    status: UpdateStatus


# ---- Reservation ------------------------------------------------------------------------------


class ReserveNowRequest(Payload, frozen=True, kw_only=True):
    """Keep a connector, or with 0 any, for this id tag until then."""

    connector_id: Integer
    expiry_date: Timestamp
    id_tag: IdToken
    reservation_id: Integer
    parent_id_tag: Maybe[IdToken] = None


class ReserveNowResponse(Payload, frozen=True, kw_only=True):
    """Whether it is kept."""

    status: ReservationStatus


class CancelReservationRequest(Payload, frozen=True, kw_only=True):
    """Keep it no longer."""

    reservation_id: Integer


class CancelReservationResponse(Payload, frozen=True, kw_only=True):
    """Whether there was one."""

    status: PlainStatus


# ---- RemoteTrigger ----------------------------------------------------------------------------


class TriggerMessageRequest(Payload, frozen=True, kw_only=True):
    """Send this now."""

    requested_message: MessageTrigger
    connector_id: Maybe[Integer] = None


class TriggerMessageResponse(Payload, frozen=True, kw_only=True):
    """Whether it will."""

    status: TriggerMessageStatus
