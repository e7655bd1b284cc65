"""A container's health check: `python -m common.probe URL` exits 0 if the program says yes.

::

    python -m common.probe http://127.0.0.1:9100/readyz
    python -m common.probe --tls-ca /run/ev/tls/ca.pem https://127.0.0.1:9100/readyz

Otherwise it says why not, in a sentence, and exits 1.
"""

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import click

from common.errors import CannotStart
from common.tls import TlsFiles, client_context

LONGEST_ANSWER = 10_000
"""Bytes of an answer that are read; it is a sentence."""


class UrlType(click.ParamType[SplitResult]):
    """An `http` or `https` URL on a command line."""

    name = "URL"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> SplitResult:
        try:
            url = urlsplit(value)
            if url.scheme in ("http", "https") and url.hostname and url.port != 0:
                return url
        except ValueError:
            pass  # a port that is no number, a bracket that is not closed
        self.fail(f"{value!r} is no http:// or https:// URL", param, ctx)


def probed(url: SplitResult, tls: ssl.SSLContext | None, within: float) -> tuple[int, str]:
    """The status and the answer of a GET.

    Args:
        tls: How an `https` URL is trusted; None: as the machine trusts.
        within: Seconds for each step of it.

    Raises:
        OSError, HTTPException: There was no answer.
    """
    assert url.hostname is not None
    connection = (
        HTTPSConnection(url.hostname, url.port, timeout=within, context=tls)
        if url.scheme == "https"
        else HTTPConnection(url.hostname, url.port, timeout=within)
    )
    try:
        connection.request("GET", url.path or "/")
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER).decode("utf-8", "replace").strip()
    finally:
        connection.close()


@click.command("probe")
@click.argument("url", type=UrlType())
@click.option(
    "--tls-ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificates, in PEM, that are trusted for https; the machine's own if not given.",
)
@click.option(
    "--within",
    type=click.FloatRange(0.1, 60),
    default=2.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)
def main(url: SplitResult, tls_ca: Path | None, within: float) -> None:
    """Exit 0 if URL is answered with 200, else say why not and exit 1."""
    try:
        status, answer = probed(url, client_context(TlsFiles(ca=tls_ca)), within)
    except TimeoutError:
        _fail(f"no answer from {url.geturl()} within {within:g} s")
    except CannotStart as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"cannot reach {url.geturl()}: {error.strerror or error}")
    except HTTPException as error:
        _fail(f"{url.geturl()} does not speak HTTP: {str(error) or type(error).__name__}")
    else:
        if status != 200:
            _fail(f"{status}: {answer}")


def _fail(why: str) -> None:
    click.echo(f"probe: {why}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
