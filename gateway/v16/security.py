"""The security extension of OCPP 1.6 (a whitepaper): certificates, logs, signed firmware."""

from typing import Annotated

from msgspec import Meta

from gateway.v16.types import CiString50, CiString255, Integer, Maybe, Payload, Timestamp
from gateway.v16.words import (
    CertificateUse,
    DeleteCertificateStatus,
    ExtendedMessageTrigger,
    HashAlgorithm,
    InstallCertificateStatus,
    InstalledCertificateStatus,
    Log,
    LogStatus,
    PlainStatus,
    SignedFirmwareStatus,
    SignedUpdateStatus,
    TriggerMessageStatus,
    UploadLogStatus,
)

CertificateChain = Annotated[str, Meta(max_length=10_000)]
Pem = Annotated[str, Meta(max_length=5_500)]
Uri = Annotated[str, Meta(max_length=512)]
Hash = Annotated[str, Meta(max_length=128)]

# ---- From the charge point --------------------------------------------------------------------


class LogStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How far the upload of a log is."""

    status: UploadLogStatus
    request_id: Maybe[Integer] = None


class LogStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""


class SecurityEventNotificationRequest(Payload, frozen=True, kw_only=True):
    """Something that touches security has happened."""

    type: CiString50
    timestamp: Timestamp
    tech_info: Maybe[CiString255] = None


class SecurityEventNotificationResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""


class SignCertificateRequest(Payload, frozen=True, kw_only=True):
    """Sign this request for a certificate (PEM)."""

    csr: Pem


class SignCertificateResponse(Payload, frozen=True, kw_only=True):
    """Whether it will be; the certificate comes by CertificateSigned."""

    status: PlainStatus


class SignedFirmwareStatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """How far the update with signed firmware is."""

    status: SignedFirmwareStatus
    request_id: Maybe[Integer] = None


class SignedFirmwareStatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """It is kept."""


# ---- To the charge point ----------------------------------------------------------------------


class CertificateSignedRequest(Payload, frozen=True, kw_only=True):
    """The certificate that was asked for, with those that signed it (PEM)."""

    certificate_chain: CertificateChain


class CertificateSignedResponse(Payload, frozen=True, kw_only=True):
    """Whether it is used."""

    status: PlainStatus


class CertificateHashData(Payload, frozen=True, kw_only=True):
    """Which certificate, by its hashes."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: Hash
    issuer_key_hash: Hash
    serial_number: Annotated[str, Meta(max_length=40)]


class DeleteCertificateRequest(Payload, frozen=True, kw_only=True):
    """Forget this certificate."""

    certificate_hash_data: CertificateHashData


class DeleteCertificateResponse(Payload, frozen=True, kw_only=True):
    """Whether it did."""

    status: DeleteCertificateStatus


class ExtendedTriggerMessageRequest(Payload, frozen=True, kw_only=True):
    """Send this now."""

    requested_message: ExtendedMessageTrigger
    connector_id: Maybe[Integer] = None


class ExtendedTriggerMessageResponse(Payload, frozen=True, kw_only=True):
    """Whether it will."""

    status: TriggerMessageStatus


class GetInstalledCertificateIdsRequest(Payload, frozen=True, kw_only=True):
    """Which certificates of this kind are there?"""

    certificate_type: CertificateUse


class GetInstalledCertificateIdsResponse(Payload, frozen=True, kw_only=True):
    """These."""

    status: InstalledCertificateStatus
    certificate_hash_data: Maybe[Annotated[tuple[CertificateHashData, ...], Meta(min_length=1)]] = (
        None
    )


class LogParameters(Payload, frozen=True, kw_only=True):
    """Where a log goes, and from when to when it is wanted."""

    remote_location: Uri
    oldest_timestamp: Maybe[Timestamp] = None
    latest_timestamp: Maybe[Timestamp] = None


class GetLogRequest(Payload, frozen=True, kw_only=True):
    """Upload a log."""

    log: LogParameters
    log_type: Log
    request_id: Integer
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None


class GetLogResponse(Payload, frozen=True, kw_only=True):
    """Whether it will, and under which name."""

    status: LogStatus
    filename: Maybe[CiString255] = None


class InstallCertificateRequest(Payload, frozen=True, kw_only=True):
    """Trust this root certificate (PEM)."""

    certificate_type: CertificateUse
    certificate: Pem


class InstallCertificateResponse(Payload, frozen=True, kw_only=True):
    """Whether it does."""

    status: InstallCertificateStatus


class Firmware(Payload, frozen=True, kw_only=True):
    """Signed firmware: where it is, and when to fetch and install it."""

    location: Uri
    retrieve_date_time: Timestamp
    signing_certificate: Pem
    signature: Annotated[str, Meta(max_length=800)]
    install_date_time: Maybe[Timestamp] = None


class SignedUpdateFirmwareRequest(Payload, frozen=True, kw_only=True):
    """Take this firmware, if its signature is right."""

    request_id: Integer
    firmware: Firmware
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None


class SignedUpdateFirmwareResponse(Payload, frozen=True, kw_only=True):
    """Whether it will."""

    status: SignedUpdateStatus
