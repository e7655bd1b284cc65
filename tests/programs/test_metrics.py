"""What `curl` sees of real programs: each says whether it serves, and a charge changes its numbers.

`docs/metrics.md` says what each of them counts.
"""

import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from common.metrics.table import METRICS
from tests.kafka.broker import Broker
from tests.kafka.ports import free_port
from tests.programs.network import BIN, Network, eventually
from tests.programs.test_charge import FAST, Begin, new_id

Ports = dict[str, int]
Numbers = defaultdict[str, float]


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    """Where each program is told, by its environment, to say how it is."""
    ports = {name: free_port() for name in ("central", "engine", "monitor")}
    for name, port in ports.items():
        monkeypatch.setenv(f"EV_{name.upper()}_METRICS", f"127.0.0.1:{port}")
    return ports


@pytest.fixture
def network(ports: Ports, kafka: Broker, tmp_path: Path) -> Iterator[Network]:
    """Central, serving; its programs have metrics."""
    with Network(tmp_path, kafka.bootstrap) as network:
        yield network


def get(port: int, path: str) -> tuple[int, str]:
    """The status and the body; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def numbers(port: int) -> Numbers:
    """Every number of a program, under its name with its labels."""
    status, body = get(port, "/metrics")
    assert status == 200
    found: Numbers = defaultdict(float)
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def changes(before: Numbers, after: Numbers, name: str) -> dict[str, float]:
    """What has changed of a metric: its labels, and by how much."""
    return {
        key[len(name) :].strip("{}"): after[key] - before[key]
        for key in after
        if key.partition("{")[0] == name and after[key] != before[key]
    }


def test_a_charge_changes_the_numbers_as_the_page_says(
    network: Network, charge: Begin, ports: Ports
) -> None:
    """A kWh at 0.35: one session, one ticket, 1000 Wh, 35 cents, and nothing else of the kind."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    network.point(cp_id, *FAST)
    before = {name: numbers(port) for name, port in ports.items()}
    assert before["central"]["ev_charge_points{status=Available}"] == 1
    assert charge(driver_id, cp_id, "--kwh", "1").ends() == 0
    eventually(
        lambda: numbers(ports["central"])["ev_charge_points{status=Available}"] == 1,
        "the point is available again",
    )
    after = {name: numbers(port) for name, port in ports.items()}

    def of(program: str, metric: str) -> dict[str, float]:
        return changes(before[program], after[program], metric)

    assert of("central", "ev_sessions_started_total") == {"": 1}
    ended = {"reason=target_reached,state=completed": 1}
    assert of("central", "ev_sessions_ended_total") == ended
    assert of("central", "ev_tickets_total") == {"": 1}
    assert of("central", "ev_billed_energy_watthours_total") == {"": 1000}
    assert of("central", "ev_billed_money_cents_total") == {"currency=EUR": 35}
    assert of("central", "ev_sessions") == {}
    assert of("central", "ev_refusals_total") == {}
    assert of("central", "ev_bad_messages_total") == {}
    assert after["central"]["ev_power_watts"] == 0
    assert after["central"]["ev_tickets_unsettled_oldest_seconds"] == 0

    messages = of("central", "ev_messages_total")
    assert messages["direction=received,peer=driver,type=charge_request"] == 1
    assert messages["direction=sent,peer=driver,type=charge_request_response"] == 1
    assert messages["direction=sent,peer=monitor,type=start_charging_command"] == 1
    asked = of("central", "ev_request_seconds_count")
    assert asked["peer=driver,side=answered,type=charge_request"] == 1
    assert asked["peer=monitor,side=asked,type=start_charging_command"] == 1
    readings = of("engine", "ev_engine_readings_total")[""]
    assert of("central", "ev_kafka_read_records_total")["topic=ev.charging"] >= readings + 1

    assert of("engine", "ev_engine_register_watthours_total") == {"": 1000}
    assert of("engine", "ev_engine_connectors") == {}
    told = of("engine", "ev_messages_total")
    assert told["direction=received,peer=monitor,type=start_charging_command"] == 1
    assert told["direction=sent,peer=monitor,type=charging_data"] == readings
    published = of("monitor", "ev_kafka_published_records_total")
    assert published.keys() == {"outcome=acknowledged"}
    assert published["outcome=acknowledged"] >= readings + 1
    assert of("monitor", "ev_monitor_dropped_readings_total") == {}


def test_every_metric_of_the_page_is_there(network: Network, ports: Ports) -> None:
    """Each program shows the rows that are its own, and no other of ours."""
    network.point(new_id("CP"))
    later = {"ev_refusals_total", "ev_bad_messages_total", "ev_requests_unanswered_total"}
    for program, port in ports.items():
        _, body = get(port, "/metrics")
        shown = {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in text_string_to_metric_families(body)
            if family.name.startswith("ev_")
        }
        expected = {metric.name for metric in METRICS if program in metric.programs}
        # These have no rows until there is something to count.
        assert shown - later == expected - later - {"ev_request_seconds"} | (
            shown & {"ev_request_seconds"}
        )


def test_a_monitor_serves_only_with_its_engine_and_central(network: Network, ports: Ports) -> None:
    """It says what it lacks; that it is alive is another question."""
    point = network.point(new_id("CP"))
    monitor = ports["monitor"]
    eventually(lambda: get(monitor, "/readyz") == (200, "ok\n"), "the monitor serves")
    point.engine.end(signal.SIGKILL)
    lacks = (503, "the engine cannot be reached\n")
    eventually(lambda: get(monitor, "/readyz") == lacks, "it lacks its engine")
    assert numbers(monitor)["ev_monitor_engine_up"] == 0
    network.central.end(signal.SIGKILL)
    lacks = (503, "the engine cannot be reached; it is not registered with central\n")
    eventually(lambda: get(monitor, "/readyz") == lacks, "it lacks central too")
    assert get(monitor, "/healthz") == (200, "ok\n")
    network.central.start()
    point.engine.start()
    eventually(lambda: get(monitor, "/readyz") == (200, "ok\n"), "the monitor serves again")


def test_a_driver_that_charges_says_how_it_is(network: Network) -> None:
    """The driver's app has metrics while it runs."""
    cp_id, port = new_id("CP"), free_port()
    network.point(cp_id)
    command = network.driver(new_id("D"), "--metrics", f"127.0.0.1:{port}", "charge", cp_id)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:
        try:
            eventually(lambda: get(port, "/readyz") == (200, "ok\n"), "the driver is linked")
            eventually(
                lambda: numbers(port)[
                    "ev_messages_total{direction=received,peer=central,type=charge_request_response}"
                ],
                "its charge was answered",
            )
        finally:
            driver.terminate()
    assert get(port, "/healthz") == (0, "")


@pytest.mark.parametrize("program", ["ev-engine", "ev-monitor"])
def test_off_loopback_a_program_speaks_https_and_wants_the_token(
    program: str, tmp_path: Path
) -> None:
    """With its own certificate; health needs no token, because a container's probe has none."""
    ca, port, token = trustme.CA(), free_port(), tmp_path / "token"
    token.write_text("a-token-for-this-test\n")
    issued = ca.issue_cert("localhost", "127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("cert", "key", "ca")}
    issued.cert_chain_pems[0].write_to_path(str(files["cert"]))
    issued.private_key_pem.write_to_path(str(files["key"]))
    ca.cert_pem.write_to_path(str(files["ca"]))
    needed = {
        "ev-engine": ["--listen", "127.0.0.1:0", "--journal", str(tmp_path / "journal")],
        "ev-monitor": ["--tls-ca", str(files["ca"])],
    }[program]
    command = [str(BIN / program), "--cp-id", "A", *needed]
    command += ["--tls-cert", str(files["cert"]), "--tls-key", str(files["key"])]
    command += ["--metrics", f"0.0.0.0:{port}", "--metrics-token-file", str(token)]
    trust = ssl.create_default_context(cafile=str(files["ca"]))

    def status(path: str, **headers: str) -> int:
        request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5, context=trust) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            eventually(lambda: status("/healthz") == 200, "it is healthy")
            assert status("/metrics") == 401
            assert status("/metrics", Authorization="Bearer a-token-for-this-test") == 200
            assert get(port, "/healthz") == (0, "")  # not in the clear
        finally:
            running.terminate()


@pytest.mark.parametrize("program", ["ev-central", "ev-engine", "ev-monitor", "ev-driver"])
def test_metrics_that_would_be_open_to_others_are_refused(program: str, tmp_path: Path) -> None:
    """One sentence and exit code 1, before anything else is done."""
    needed = {
        "ev-central": ["--database", f"sqlite:///{tmp_path}/central.db"],
        "ev-engine": ["--cp-id", "A", "--journal", str(tmp_path / "journal")],
        "ev-monitor": ["--cp-id", "A"],
        "ev-driver": ["--driver-id", "D", "--state", str(tmp_path / "state")],
    }[program]
    command = [str(BIN / program), *needed, "--metrics", "0.0.0.0:0"]
    command += ["history"] if program == "ev-driver" else []
    done = subprocess.run(command, capture_output=True, timeout=30, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"{program}: metrics on 0.0.0.0:0 would be open to others: give --tls-cert, --tls-key"
        " and --metrics-token-file, or serve them on a loopback address"
    ]
    assert not (tmp_path / "central.db").exists()
