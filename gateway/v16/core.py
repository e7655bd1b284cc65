"""What the Core profile of OCPP 1.6 (4) lets a charge point say, and how it is answered."""

from typing import Annotated

from msgspec import Meta

from gateway.v16.types import (
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    IdToken,
    Integer,
    Maybe,
    Payload,
    Timestamp,
)
from gateway.v16.words import (
    AuthorizationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    DataTransferStatus,
    Location,
    Measurand,
    Phase,
    ReadingContext,
    RegistrationStatus,
    StopReason,
    TransactionDataUnit,
    UnitOfMeasure,
    ValueFormat,
)


class IdTagInfo(Payload, frozen=True, kw_only=True):
    """Whether an id tag may charge."""

    status: AuthorizationStatus
    expiry_date: Maybe[Timestamp] = None
    parent_id_tag: Maybe[IdToken] = None


# ---- From the charge point --------------------------------------------------------------------


class AuthorizeRequest(Payload, frozen=True, kw_only=True):
    """May this id tag charge here?"""

    id_tag: IdToken


class AuthorizeResponse(Payload, frozen=True, kw_only=True):
    """It may, or why not."""

    id_tag_info: IdTagInfo


class BootNotificationRequest(Payload, frozen=True, kw_only=True):
    """The charge point has started; this is what it is."""

    charge_point_vendor: CiString20
    charge_point_model: CiString20
    charge_point_serial_number: Maybe[CiString25] = None
    charge_box_serial_number: Maybe[CiString25] = None
    firmware_version: Maybe[CiString50] = None
    iccid: Maybe[CiString20] = None
    imsi: Maybe[CiString20] = None
    meter_type: Maybe[CiString25] = None
    meter_serial_number: Maybe[CiString25] = None


class BootNotificationResponse(Payload, frozen=True, kw_only=True):
    """Whether it is taken; `interval` is in seconds: of heartbeats, or before it boots again."""

    status: RegistrationStatus
    current_time: Timestamp
    interval: Integer


class HeartbeatRequest(Payload, frozen=True, kw_only=True):
    """The charge point is alive, and wants to know the time."""


class HeartbeatResponse(Payload, frozen=True, kw_only=True):
    """The time."""

    current_time: Timestamp


class SampledValue(Payload, frozen=True, kw_only=True):
    """One value of a meter; what it leaves out has the default of 7.43."""

    value: str
    context: Maybe[ReadingContext] = None
    format: Maybe[ValueFormat] = None
    measurand: Maybe[Measurand] = None
    phase: Maybe[Phase] = None
    location: Maybe[Location] = None
    unit: Maybe[UnitOfMeasure] = None


class MeterValue(Payload, frozen=True, kw_only=True):
    """Values sampled at the same moment."""

    timestamp: Timestamp
    sampled_value: Annotated[tuple[SampledValue, ...], Meta(min_length=1)]


class MeterValuesRequest(Payload, frozen=True, kw_only=True):
    """What the meter of a connector says; connector 0 is the main meter."""

    connector_id: Integer
    transaction_id: Maybe[Integer] = None
    meter_value: Annotated[tuple[MeterValue, ...], Meta(min_length=1)]


class MeterValuesResponse(Payload, frozen=True, kw_only=True):
    """They are kept."""


class StartTransactionRequest(Payload, frozen=True, kw_only=True):
    """A transaction has started; the meter in Wh."""

    connector_id: Integer
    id_tag: IdToken
    meter_start: Integer
    timestamp: Timestamp
    reservation_id: Maybe[Integer] = None


class StartTransactionResponse(Payload, frozen=True, kw_only=True):
    """Its id, and whether the id tag may go on."""

    id_tag_info: IdTagInfo
    transaction_id: Integer


class StatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """A connector's status, or with 0 that of the whole charge point."""

    connector_id: Integer
    error_code: ChargePointErrorCode
    status: ChargePointStatus
    info: Maybe[CiString50] = None
    timestamp: Maybe[Timestamp] = None
    vendor_id: Maybe[CiString255] = None
    vendor_error_code: Maybe[CiString50] = None


class StatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""


class TransactionSampledValue(Payload, frozen=True, kw_only=True):
    """A `SampledValue` in a StopTransaction, where the schema knows no Hertz."""

    value: str
    context: Maybe[ReadingContext] = None
    format: Maybe[ValueFormat] = None
    measurand: Maybe[Measurand] = None
    phase: Maybe[Phase] = None
    location: Maybe[Location] = None
    unit: Maybe[TransactionDataUnit] = None


class TransactionData(Payload, frozen=True, kw_only=True):
    """Values of a transaction, sampled at the same moment; by the schema there may be none."""

    timestamp: Timestamp
    sampled_value: tuple[TransactionSampledValue, ...]


class StopTransactionRequest(Payload, frozen=True, kw_only=True):
    """A transaction has ended; the meter in Wh."""

    transaction_id: Integer
    meter_stop: Integer
    timestamp: Timestamp
    id_tag: Maybe[IdToken] = None
    reason: Maybe[StopReason] = None
    transaction_data: Maybe[tuple[TransactionData, ...]] = None


class StopTransactionResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""

    id_tag_info: Maybe[IdTagInfo] = None


# ---- Both ways --------------------------------------------------------------------------------


class DataTransferRequest(Payload, frozen=True, kw_only=True):
    """Something that only the vendor understands."""

    vendor_id: CiString255
    message_id: Maybe[CiString50] = None
    data: Maybe[str] = None


class DataTransferResponse(Payload, frozen=True, kw_only=True):
    """Whether it was understood."""

    status: DataTransferStatus
    data: Maybe[str] = None
