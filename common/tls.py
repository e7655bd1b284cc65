"""TLS on the links: from three files to what sockets need.

A listener proves itself with `cert` and `key`; with `ca` as well it demands a certificate of that
CA from each peer. A dialler checks the listener's certificate, host name included, against `ca`,
and shows `cert` where it is asked for one.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from common.errors import CannotStart


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files; none of them: no TLS.

    Attributes:
        cert: Our certificate, and what links it to its CA.
        key: Its key, not encrypted.
        ca: The certificates that we trust.
    """

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None


def server_context(files: TlsFiles) -> ssl.SSLContext | None:
    """What a listener needs; None without a certificate.

    Raises:
        CannotStart: A file is missing, or is not what it must be.
    """
    if files.cert is None:
        if files.key is not None or files.ca is not None:
            raise CannotStart("TLS on a listener needs --tls-cert and --tls-key")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, files)
    if files.ca is not None:
        _trust(context, files.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext | None:
    """What a dialler needs; None without a CA.

    Raises:
        CannotStart: A file is missing, or is not what it must be.
    """
    if files.ca is None:
        if files.cert is not None or files.key is not None:
            raise CannotStart("TLS to a listener needs --tls-ca: whom to trust")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _trust(context, files.ca)
    if files.cert is not None or files.key is not None:
        _show(context, files)
    return context


def _show(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.cert is None or files.key is None:
        raise CannotStart("--tls-cert and --tls-key go together")
    for path in (files.cert, files.key):
        _must_be_readable(path)
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
    except _Encrypted:
        raise CannotStart(f"the key in {files.key} is encrypted") from None
    except (ssl.SSLError, OSError):
        raise CannotStart(
            f"{files.cert} is no certificate in PEM, or {files.key} is not its key"
        ) from None


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    _must_be_readable(ca)
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError):
        raise CannotStart(f"{ca} holds no certificates in PEM") from None


def _must_be_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}") from None


class _Encrypted(Exception):
    """A key asks for a password, and there is nobody to type it."""


def _no_password() -> str:
    raise _Encrypted
