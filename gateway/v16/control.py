"""What the Core profile of OCPP 1.6 (5) lets a central system tell a charge point."""

from gateway.v16.smart_charging import ChargingProfile
from gateway.v16.types import CiString50, CiString500, IdToken, Integer, Maybe, Payload
from gateway.v16.words import (
    AvailabilityStatus,
    AvailabilityType,
    ConfigurationStatus,
    PlainStatus,
    ResetType,
    UnlockStatus,
)


class ChangeAvailabilityRequest(Payload, frozen=True, kw_only=True):
    """Take a connector, or with 0 all, out of order or back."""

    connector_id: Integer
    type: AvailabilityType


class ChangeAvailabilityResponse(Payload, frozen=True, kw_only=True):
    """Done, or scheduled for the end of the transaction."""

    status: AvailabilityStatus


class ChangeConfigurationRequest(Payload, frozen=True, kw_only=True):
    """Set a configuration key."""

    key: CiString50
    value: CiString500


class ChangeConfigurationResponse(Payload, frozen=True, kw_only=True):
    """Whether it is set."""

    status: ConfigurationStatus


class ClearCacheRequest(Payload, frozen=True, kw_only=True):
    """Forget the id tags of the authorisation cache."""


class ClearCacheResponse(Payload, frozen=True, kw_only=True):
    """Whether it did."""

    status: PlainStatus


class GetConfigurationRequest(Payload, frozen=True, kw_only=True):
    """Say these configuration keys, or all."""

    key: Maybe[tuple[CiString50, ...]] = None


class KeyValue(Payload, frozen=True, kw_only=True):
    """A configuration key and its value."""

    key: CiString50
    readonly: bool
    value: Maybe[CiString500] = None


class GetConfigurationResponse(Payload, frozen=True, kw_only=True):
    """The keys that were asked for, and those that it does not know."""

    configuration_key: Maybe[tuple[KeyValue, ...]] = None
    unknown_key: Maybe[tuple[CiString50, ...]] = None


class RemoteStartTransactionRequest(Payload, frozen=True, kw_only=True):
    """Start a transaction for this id tag."""

    id_tag: IdToken
    connector_id: Maybe[Integer] = None
    charging_profile: Maybe[ChargingProfile] = None


class RemoteStartTransactionResponse(Payload, frozen=True, kw_only=True):
    """Whether it will try."""

    status: PlainStatus


class RemoteStopTransactionRequest(Payload, frozen=True, kw_only=True):
    """End this transaction."""

    transaction_id: Integer


class RemoteStopTransactionResponse(Payload, frozen=True, kw_only=True):
    """Whether it will."""

    status: PlainStatus


class ResetRequest(Payload, frozen=True, kw_only=True):
    """Start again: Soft ends transactions first."""

    type: ResetType


class ResetResponse(Payload, frozen=True, kw_only=True):
    """Whether it will."""

    status: PlainStatus


class UnlockConnectorRequest(Payload, frozen=True, kw_only=True):
    """Let go of the cable."""

    connector_id: Integer


class UnlockConnectorResponse(Payload, frozen=True, kw_only=True):
    """Whether it did."""

    status: UnlockStatus
