"""`--metrics` and `--metrics-token-file`, the same for every program."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from common.errors import CannotStart
from common.program import ADDRESS, Address, is_loopback, option, read_text
from common.tls import TlsFiles, server_context

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where a program says how it is, and to whom.

    Attributes:
        address: None: nowhere.
        token_file: Holds what `/metrics` asks for.
        tls: Of the program; its certificate is shown here too. Who asks needs none.
        insecure: Without TLS and token also where others than this machine may ask.
    """

    address: Address | None = None
    token_file: Path | None = None
    tls: TlsFiles = field(default_factory=TlsFiles)
    insecure: bool = False

    def token(self) -> str | None:
        """The bearer token that `/metrics` asks for; None if it asks for none.

        Raises:
            CannotStart: The file cannot be read or is empty, or there is none and must be.
        """
        self._must_not_be_open()
        if self.token_file is None:
            return None
        try:
            token = read_text(self.token_file).strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CannotStart(f"cannot read the metrics' token {self.token_file}: {why}") from None
        if not token or not token.isascii() or not token.isprintable():
            raise CannotStart(f"{self.token_file} holds no token of printable ASCII")
        return token

    def server_context(self) -> ssl.SSLContext | None:
        """How HTTP is encrypted; None if it is not.

        Raises:
            CannotStart: A file of the certificate cannot be used.
        """
        if self.tls.cert is None:
            return None
        return server_context(replace(self.tls, ca=None))

    def _must_not_be_open(self) -> None:
        assert self.address is not None
        if self.insecure or is_loopback(self.address):
            return
        if self.tls.cert is None or self.token_file is None:
            raise CannotStart(
                f"metrics on {self.address} would be open to others: give --tls-cert, --tls-key"
                " and --metrics-token-file, or serve them on a loopback address"
            )


def metrics_options(function: F) -> F:
    """Add `--metrics` and `--metrics-token-file`; the function gets one `metrics: MetricsSettings`.

    It stands below `tls_options`, and takes what the function gets as `tls` and as `insecure`.
    """

    @wraps(function)
    def with_settings(
        *args: Any, metrics: Address | None, metrics_token_file: Path | None, **given: Any
    ) -> Any:
        assert "tls_cert" not in given, "metrics_options stands below tls_options"
        tls, insecure = given.get("tls", TlsFiles()), given.get("insecure", False)
        settings = MetricsSettings(metrics, metrics_token_file, tls, insecure)
        return function(*args, metrics=settings, **given)

    for add in (
        option(
            "--metrics-token-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Holds the bearer token that /metrics asks for.",
        ),
        option(
            "--metrics",
            type=ADDRESS,
            help="Serve /metrics for Prometheus, /healthz and /readyz here, by HTTP, or HTTPS where"
            " the program has a certificate.",
        ),
    ):
        with_settings = add(with_settings)
    return cast(F, with_settings)
