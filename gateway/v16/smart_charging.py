"""The SmartCharging profile of OCPP 1.6 (3.13): how much may be drawn when."""

from gateway.v16.types import Integer, Maybe, Payload, Tenths, Timestamp
from gateway.v16.words import (
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingProfileStatus,
    ChargingRateUnit,
    ClearChargingProfileStatus,
    PlainStatus,
    RecurrencyKind,
)


class ChargingSchedulePeriod(Payload, frozen=True, kw_only=True):
    """A limit from this second of the schedule on."""

    start_period: Integer
    limit: Tenths
    number_phases: Maybe[Integer] = None


class ChargingSchedule(Payload, frozen=True, kw_only=True):
    """Limits one after another, in A or W."""

    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: tuple[ChargingSchedulePeriod, ...]
    duration: Maybe[Integer] = None
    start_schedule: Maybe[Timestamp] = None
    min_charging_rate: Maybe[Tenths] = None


class ChargingProfile(Payload, frozen=True, kw_only=True):
    """A schedule, and when it holds."""

    charging_profile_id: Integer
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: ChargingSchedule
    transaction_id: Maybe[Integer] = None
    recurrency_kind: Maybe[RecurrencyKind] = None
    valid_from: Maybe[Timestamp] = None
    valid_to: Maybe[Timestamp] = None


class SetChargingProfileRequest(Payload, frozen=True, kw_only=True):
    """Keep this profile for a connector, or with 0 for the charge point."""

    connector_id: Integer
    cs_charging_profiles: ChargingProfile


class SetChargingProfileResponse(Payload, frozen=True, kw_only=True):
    """Whether it is kept."""

    status: ChargingProfileStatus


class ClearChargingProfileRequest(Payload, frozen=True, kw_only=True):
    """Forget the profiles of which all of this is true."""

    id: Maybe[Integer] = None
    connector_id: Maybe[Integer] = None
    charging_profile_purpose: Maybe[ChargingProfilePurpose] = None
    stack_level: Maybe[Integer] = None


class ClearChargingProfileResponse(Payload, frozen=True, kw_only=True):
    """Whether there were any."""

    status: ClearChargingProfileStatus


class GetCompositeScheduleRequest(Payload, frozen=True, kw_only=True):
    """What limit follows from all profiles in the next `duration` seconds?"""

    connector_id: Integer
    duration: Integer
    charging_rate_unit: Maybe[ChargingRateUnit] = None


class GetCompositeScheduleResponse(Payload, frozen=True, kw_only=True):
    """This one."""

    status: PlainStatus
    connector_id: Maybe[Integer] = None
    schedule_start: Maybe[Timestamp] = None
    charging_schedule: Maybe[ChargingSchedule] = None
