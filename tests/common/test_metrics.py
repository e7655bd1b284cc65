"""What a program says of itself by HTTP, to whom, and that it does so whatever it is doing."""

import asyncio
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
import trustme
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from common.clock import SystemClock
from common.errors import CannotStart
from common.messages import Role
from common.metrics import pulse, server, table
from common.metrics.exporter import Exporter, exporting
from common.metrics.histogram import Histogram
from common.metrics.metric import Metric
from common.metrics.options import MetricsSettings, metrics_options
from common.metrics.pulse import Pulse
from common.program import Address, option, tls_options
from common.tls import TlsFiles

HERE = Address("127.0.0.1", 0)
EVERYWHERE = Address("0.0.0.0", 0)  # noqa: S104 -- that is the point

SOON = 5.0


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Programs set up logging; a test leaves it as it was."""
    yield
    structlog.reset_defaults()


@dataclass(frozen=True)
class Answer:
    """What came by HTTP."""

    status: int
    body: str
    content_type: str


def get(
    exporter: Exporter,
    path: str,
    *,
    method: str = "GET",
    tls: ssl.SSLContext | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Ask, and wait for the answer without the event loop."""
    scheme = "https" if tls else "http"
    assert exporter.address is not None
    url = f"{scheme}://127.0.0.1:{exporter.address.port}{path}"
    request = urllib.request.Request(url, headers=headers or {}, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=SOON, context=tls) as answer:  # noqa: S310
            return Answer(answer.status, answer.read().decode(), answer.headers["Content-Type"])
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode(), error.headers["Content-Type"])


@asynccontextmanager
async def exporter(**settings: Any) -> AsyncIterator[Exporter]:
    """A program's exporter that listens."""
    settings.setdefault("address", HERE)
    async with exporting(Role.CENTRAL, MetricsSettings(**settings), SystemClock()) as exporter:
        yield exporter


# ---- Counting ---------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 20)))
def test_a_histogram_loses_no_value(values: list[float]) -> None:
    """Each bucket has what is no greater than its bound, and the last one has all."""
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    for bound, count in histogram.buckets():
        assert count == sum(value <= float(bound) for value in values)
    assert histogram.count == len(values)
    assert histogram.sum == pytest.approx(sum(values))


def test_names_say_type_and_unit() -> None:
    """Counters, and only these, end in `_total`; times are seconds; names are unique."""
    names = [metric.name for metric in table.METRICS]
    assert len(set(names)) == len(names)
    for metric in table.METRICS:
        assert re.fullmatch(r"ev_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.kind != "histogram" or metric.name.endswith(("_seconds", "_callers"))
        assert not re.search(r"_(ms|kwh|kw|mb)\b|minutes|percent", metric.name)
        assert metric.meaning.endswith("."), metric.name
        assert set(metric.programs) <= set(table.ALL)


def test_no_label_holds_an_id_or_an_address() -> None:
    """So the number of series does not grow with the network."""
    allowed = {
        *("program", "version", "peer", "cause", "type", "direction", "reason", "side"),
        *("outcome", "topic", "status", "state", "currency", "command", "role"),
        *("action", "code", "event", "fault"),
    }
    assert {label for metric in table.METRICS for label in metric.labels} == allowed


def test_a_sample_has_a_value_for_every_label() -> None:
    """A label forgotten is found at once."""
    with pytest.raises(AssertionError, match="ev_links has the labels"):
        table.LINKS(1)


# ---- What is answered -------------------------------------------------------------------------


async def test_numbers_come_in_prometheus_text_or_openmetrics() -> None:
    """As the one who asks wants them."""
    async with exporter() as here:
        here.add(lambda: [table.LINKS(3, "monitor"), table.TICKETS(7)])
        answer = await asyncio.to_thread(get, here, "/metrics")
        assert answer.status == 200
        assert answer.content_type.startswith("text/plain; version=0.0.4")
        values = {s.name: s.value for family in plain(answer.body) for s in family.samples}
        assert (values["ev_links"], values["ev_tickets_total"]) == (3, 7)
        wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
        answer = await asyncio.to_thread(get, here, "/metrics", headers=wanted)
        assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
        assert answer.body.endswith("# EOF\n")
        families = openmetrics.text_string_to_metric_families(answer.body)  # type: ignore[no-untyped-call]
        values = {s.name: s.value for family in families for s in family.samples}
        assert (values["ev_links"], values["ev_tickets_total"]) == (3, 7)


async def test_a_program_says_its_version_and_its_process() -> None:
    """The numbers that every program has."""
    async with exporter() as here:
        body = (await asyncio.to_thread(get, here, "/metrics")).body
    assert 'ev_build_info{program="ev-central",version="' in body
    assert "process_resident_memory_bytes" in body
    assert "python_gc_collections_total" in body


async def test_two_programs_in_one_process_do_not_mix() -> None:
    """Each has a registry of its own."""
    async with exporter() as one, exporter() as other:
        one.add(lambda: [table.TICKETS(1)])
        other.add(lambda: [table.TICKETS(2)])
        bodies = [(await asyncio.to_thread(get, here, "/metrics")).body for here in (one, other)]
    assert "ev_tickets_total 1.0" in bodies[0]
    assert "ev_tickets_total 2.0" in bodies[1]


async def test_readiness_follows_what_the_program_lacks() -> None:
    """503 with the sentence of what is missing, before it serves, and whenever it does not."""
    lacks = ""
    async with exporter() as here:

        async def ready() -> tuple[int, str]:
            answer = await asyncio.to_thread(get, here, "/readyz")
            return answer.status, answer.body

        assert await ready() == (503, "it has not begun to serve\n")
        here.serves(lambda: lacks)
        assert await ready() == (200, "ok\n")
        lacks = "the database takes no writes: disk full"
        assert await ready() == (503, "the database takes no writes: disk full\n")
        body = (await asyncio.to_thread(get, here, "/metrics")).body
        assert "\nev_ready 0.0" in body
        assert (await asyncio.to_thread(get, here, "/healthz")).status == 200


async def test_a_loop_that_stands_still_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers come from another thread; they are awaited here without letting the loop turn."""
    monkeypatch.setattr(pulse, "ALIVE_WITHIN", 0.3)
    async with exporter() as here:
        here.serves()
        assert get(here, "/healthz").status == 200
        while (answer := get(here, "/healthz")).status == 200:
            pass  # the test's own timeout ends it
        assert re.fullmatch(r"the event loop has stood still for \d\.\d s\n", answer.body)
        assert get(here, "/readyz").body.startswith("the event loop has stood still")
        assert "\nev_ready 0.0" in get(here, "/metrics").body
        async with asyncio.timeout(SOON):
            while (await asyncio.to_thread(get, here, "/healthz")).status != 200:
                pass


async def test_a_late_loop_shows_in_the_lag() -> None:
    """A pause of a second is counted above half a second."""

    class Clock(SystemClock):
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    heart = Pulse(clock)
    heart.begin()
    clock.now = 1.0
    async with asyncio.timeout(SOON):
        while heart.silence:  # noqa: ASYNC110 -- a heart sets no event
            await asyncio.sleep(0.01)
    heart.end()
    lag = next(iter(heart.samples())).value
    assert isinstance(lag, Histogram)
    counts = dict(lag.buckets())
    assert (counts["0.5"], counts["1.0"], counts["+Inf"]) == (0, 1, 1)


@pytest.mark.parametrize("path", ["/", "/metricsx", "/metrics/", "/debug", "/%2e%2e/etc/passwd"])
async def test_there_is_nothing_else(path: str) -> None:
    """Anything else is not found."""
    async with exporter() as here:
        answer = await asyncio.to_thread(get, here, path)
    assert (answer.status, answer.body) == (404, "there are /metrics, /healthz and /readyz\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_done_by_http(method: str) -> None:
    """Only GET and HEAD are answered."""
    async with exporter() as here:
        assert (await asyncio.to_thread(get, here, "/metrics", method=method)).status == 501
        head = await asyncio.to_thread(get, here, "/healthz", method="HEAD")
    assert (head.status, head.body) == (200, "")


async def test_a_source_that_fails_costs_its_answer_only() -> None:
    """The next one is answered."""

    def broken() -> list[Any]:
        raise RuntimeError("a defect")

    async with exporter() as here:
        here.add(broken)
        answer = await asyncio.to_thread(get, here, "/metrics")
        assert (answer.status, answer.body) == (500, "a defect of ours; the log has it\n")
        assert (await asyncio.to_thread(get, here, "/healthz")).status == 200


# ---- Who is answered --------------------------------------------------------------------------


def connect(here: Exporter) -> socket.socket:
    """A connection that says nothing."""
    assert here.address is not None
    return socket.create_connection((here.address.host, here.address.port), SOON)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side closes it, or has, before long."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


async def test_idle_and_slow_clients_do_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may connect are cut after their time, however they drip; one more at once."""
    monkeypatch.setattr(server, "OPEN_FOR", 1.0)
    async with exporter() as here:
        with ExitStack() as stack:
            idle = [stack.enter_context(connect(here)) for _ in range(server.MAX_CONNECTIONS)]
            surplus = stack.enter_context(connect(here))
            assert await asyncio.to_thread(is_closed, surplus)
            drip = idle[0]
            for byte in b"GET /metrics HTTP/1.0\r\nX: ":
                drip.send(bytes([byte]))
            for connection in idle:
                assert await asyncio.to_thread(is_closed, connection)
        async with asyncio.timeout(SOON):
            while (await asyncio.to_thread(answered, here)) != 200:
                pass


def answered(here: Exporter) -> int:
    """The status of `/healthz`; 0 where the connection was closed."""
    try:
        return get(here, "/healthz").status
    except OSError:
        return 0


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic c2VjcmV0", "secret"])
async def test_numbers_want_the_token(tmp_path: Path, header: str | None) -> None:
    """Without it, or with another: 401. Health needs none: a container's probe has no secret."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    given = {} if header is None else {"Authorization": header}
    async with exporter(token_file=token) as here:
        assert (await asyncio.to_thread(get, here, "/metrics", headers=given)).status == 401
        right = {"Authorization": "Bearer secret"}
        assert (await asyncio.to_thread(get, here, "/metrics", headers=right)).status == 200
        assert (await asyncio.to_thread(get, here, "/healthz")).status == 200


@pytest.fixture
def tls(tmp_path: Path) -> tuple[TlsFiles, ssl.SSLContext]:
    """A program's files, and how one who asks trusts them."""
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1")
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")
    assert files.cert
    assert files.key
    assert files.ca
    issued.cert_chain_pems[0].write_to_path(str(files.cert))
    issued.private_key_pem.write_to_path(str(files.key))
    ca.cert_pem.write_to_path(str(files.ca))
    return files, ssl.create_default_context(cafile=str(files.ca))


async def test_with_a_certificate_it_is_https(
    tls: tuple[TlsFiles, ssl.SSLContext], tmp_path: Path
) -> None:
    """The program's own certificate; none is demanded of who asks, and HTTP is not answered."""
    files, trust = tls
    token = tmp_path / "token"
    token.write_text("secret")
    async with exporter(address=EVERYWHERE, tls=files, token_file=token) as here:
        answer = await asyncio.to_thread(get, here, "/healthz", tls=trust)
        assert answer.status == 200
        with pytest.raises(OSError):  # noqa: PT011 -- reset or closed, as it happens
            await asyncio.to_thread(get, here, "/healthz")


@pytest.mark.parametrize("has", ["nothing", "certificate", "token"])
async def test_it_is_not_open_to_others_by_oversight(
    has: str, tls: tuple[TlsFiles, ssl.SSLContext], tmp_path: Path
) -> None:
    """Off loopback it wants certificate and token, or to be told that it may go without."""
    token = tmp_path / "token"
    token.write_text("secret")
    settings: dict[str, Any] = {"address": EVERYWHERE}
    if has == "certificate":
        settings["tls"] = tls[0]
    if has == "token":
        settings["token_file"] = token
    with pytest.raises(CannotStart, match="would be open to others"):
        async with exporter(**settings):
            pytest.fail("it listens")
    async with exporter(**settings, insecure=True) as here:
        assert here.address is not None


@pytest.mark.parametrize("text", ["", " \n", "naïve", "two\nlines"])
async def test_a_token_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    """One sentence, before anything listens."""
    token = tmp_path / "token"
    token.write_text(text, "utf-8")
    with pytest.raises(CannotStart, match="holds no token of printable ASCII"):
        async with exporter(token_file=token):
            pytest.fail("it listens")


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    """It names the address."""
    async with exporter() as here:
        assert here.address is not None
        with pytest.raises(CannotStart) as caught:
            async with exporter(address=here.address):
                pytest.fail("it listens twice")
        assert str(caught.value) == (
            f"cannot serve metrics on {here.address}: Address already in use"
        )


async def test_without_the_option_nothing_listens_and_nothing_is_counted() -> None:
    """Not even the loop's pulse."""
    async with exporter(address=None) as here:
        here.serves()
        assert here.address is None
        assert not here.unready


# ---- Options ----------------------------------------------------------------------------------


@click.command()
@tls_options
@option("--insecure", is_flag=True)
@metrics_options
def example(tls: TlsFiles, insecure: bool, metrics: MetricsSettings) -> None:
    """A program that shows what it was told."""
    assert (metrics.tls, metrics.insecure) == (tls, insecure)
    click.echo(f"{metrics.address} {metrics.token_file}")


def test_options_become_one_setting(tmp_path: Path) -> None:
    """With the program's own TLS and `--insecure`."""
    token = tmp_path / "token"
    token.write_text("secret")
    words = ["--metrics", "127.0.0.1:9100", "--metrics-token-file", str(token), "--insecure"]
    result = CliRunner().invoke(example, words)
    assert result.output == f"127.0.0.1:9100 {token}\n"
    assert CliRunner().invoke(example, []).output == "None None\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--metrics", "9100"], "'9100' is not HOST:PORT"),
        (["--metrics", "here:x"], "has no port"),
        (["--metrics-token-file", "nowhere"], "does not exist"),
        (["--metrics-token-file", "/"], "is a directory"),
    ],
)
def test_wrong_options_are_said(words: list[str], why: str) -> None:
    """With exit code 2."""
    result = CliRunner().invoke(example, words)
    assert result.exit_code == 2
    assert why in result.output


def test_every_metric_is_made_by_a_source() -> None:
    """A row of the table that nothing fills would be a promise that is not kept."""
    root = Path(__file__).parents[2]
    source = "".join(
        path.read_text("utf-8")
        for folder in ("central", "engine", "monitor", "gateway", "common/metrics")
        for path in (root / folder).rglob("*.py")
        if path.name != "table.py"
    )
    names = {name for name, value in vars(table).items() if isinstance(value, Metric)}
    assert {name for name in names if not re.search(rf"\btable\.{name}\b", source)} == set()
