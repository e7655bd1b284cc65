"""A container's health check: yes is exit code 0, anything else is 1 and a sentence."""

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
import trustme
from click.testing import CliRunner, Result

from common import logs
from common.clock import SystemClock
from common.messages import Role
from common.metrics.exporter import Exporter, exporting
from common.metrics.options import MetricsSettings
from common.probe import main
from common.program import Address
from common.tls import TlsFiles


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the program logs is none of the probe's words."""
    logs.configure("test", form="console", level="error")
    yield
    structlog.reset_defaults()


@pytest.fixture
async def serving() -> AsyncIterator[Exporter]:
    """A program that serves."""
    settings = MetricsSettings(Address("127.0.0.1", 0))
    async with exporting(Role.ENGINE, settings, SystemClock()) as exporter:
        exporter.serves()
        yield exporter


def probe(exporter: Exporter, path: str, *options: str, scheme: str = "http") -> Result:
    """What the probe says of this program."""
    assert exporter.address is not None
    url = f"{scheme}://127.0.0.1:{exporter.address.port}{path}"
    return CliRunner().invoke(main, [url, *options])


@contextmanager
def answering(data: bytes | None) -> Iterator[str]:
    """The URL of somebody who sends this to who connects, and closes; None: says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                if data is None:
                    over.wait(5)
                else:
                    connection.sendall(data)

        over = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        over.set()
        thread.join()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_yes_is_silent(serving: Exporter, path: str) -> None:
    """Exit code 0 and no word."""
    result = probe(serving, path)
    assert (result.exit_code, result.output) == (0, "")


async def test_no_is_the_programs_own_sentence(serving: Exporter) -> None:
    """With its status, and exit code 1."""
    serving.serves(lambda: "the journal takes nothing: disk full")
    result = probe(serving, "/readyz")
    assert result.exit_code == 1
    assert result.output == "probe: 503: the journal takes nothing: disk full\n"


async def test_https_is_checked_against_the_given_ca(tmp_path: Path) -> None:
    """And not reached where the certificate is another's."""
    ours, other = trustme.CA(), trustme.CA()
    issued = ours.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    for name, ca in (("ours.pem", ours), ("other.pem", other)):
        ca.cert_pem.write_to_path(str(tmp_path / name))
    settings = MetricsSettings(Address("127.0.0.1", 0), tls=TlsFiles(cert, key))
    async with exporting(Role.ENGINE, settings, SystemClock()) as here:
        here.serves()
        trusted = probe(here, "/readyz", "--tls-ca", str(tmp_path / "ours.pem"), scheme="https")
        assert (trusted.exit_code, trusted.output) == (0, "")
        for options in (["--tls-ca", str(tmp_path / "other.pem")], []):
            result = probe(here, "/readyz", *options, scheme="https")
            assert result.exit_code == 1
            assert "certificate verify failed" in result.output


def test_nobody_there_is_one_sentence(free_ports: Callable[[int], list[int]]) -> None:
    """It names the URL."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}/readyz"
    result = CliRunner().invoke(main, [url])
    assert result.exit_code == 1
    assert result.output == f"probe: cannot reach {url}: Connection refused\n"


def test_silence_ends_after_the_given_time() -> None:
    """A probe that hangs would hide a program that hangs."""
    with answering(None) as url:
        result = CliRunner().invoke(main, [url, "--within", "0.2"])
    assert result.exit_code == 1
    assert result.output == f"probe: no answer from {url} within 0.2 s\n"


@pytest.mark.parametrize("data", [b"\x02hello\x03", b"SSH-2.0-OpenSSH\r\n"])
def test_somebody_else_is_not_taken_for_the_program(data: bytes) -> None:
    """What does not speak HTTP is no yes."""
    with answering(data) as url:
        result = CliRunner().invoke(main, [url])
    assert result.exit_code == 1
    assert result.output.startswith(f"probe: {url} does not speak HTTP: ")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["127.0.0.1:9100"],
        ["ftp://127.0.0.1/"],
        ["http://"],
        ["http://here:x/"],
        ["http://here:0/"],
        ["http://here/", "--within", "0"],
        ["http://here/", "--tls-ca", "/nowhere.pem"],
    ],
)
def test_wrong_options_are_said(words: list[str]) -> None:
    """With exit code 2."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_ca_that_is_none_is_said(tmp_path: Path) -> None:
    """One sentence, and exit code 1."""
    ca = tmp_path / "ca.pem"
    ca.write_text("nothing")
    result = CliRunner().invoke(main, ["https://127.0.0.1:1/", "--tls-ca", str(ca)])
    assert result.exit_code == 1
    assert result.output == f"probe: {ca} holds no certificates in PEM\n"
