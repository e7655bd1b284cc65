"""docker-compose.yml, looked at without docker: nothing in it may go stale or be open."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.docs.test_documents import is_taken, program_of

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
STACK: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
ONE_SHOTS = {"secrets", "migrate", "enrol", "driver", "admin", "charge-point"}
"""Services that do something and end."""

SCRIPTS = ROOT / "deploy" / "stack"
HAPROXY = ROOT / "deploy" / "haproxy" / "haproxy.cfg"


def test_the_file_is_valid_against_the_schema_of_compose() -> None:
    """Both generations of Compose read it; the older one knows no file without services."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, FILE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "version" not in STACK, "docker-compose 1.29 takes conditions only without it"


def words_of(service: dict[str, Any], folder: Path) -> list[str]:
    """The command line of a service, its files in a folder of ours and there."""
    words = [*service.get("entrypoint", []), *service.get("command", [])]
    found = []
    for word in words:
        for place in ("/run/ev/", "/opt/stack/", "/var/lib/ev/"):
            if place in word and not word.startswith(("--database", "--redis")):
                head, _, name = word.partition(place)
                path = folder / name
                known = SCRIPTS / name
                path.write_text(known.read_text() if known.exists() else "secret")
                word = f"{head}{path}"
        found.append(word.replace("$$", "$"))
    return found


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_taken_by_its_program(name: str, tmp_path: Path) -> None:
    """Its options and arguments are read as the program itself reads them."""
    (tmp_path / "kafka.properties").write_text("security.protocol=SASL_SSL\n")
    words = words_of(SERVICES[name], tmp_path)
    if words[0] == "cat":
        return
    if words[0] == "python":
        assert (SCRIPTS / Path(words[1]).name).exists()
        assert len(words) == 2
        return
    (tmp_path / "journal").unlink(missing_ok=True)
    (tmp_path / "state").unlink(missing_ok=True)
    program, rest = program_of(" ".join([words[0], "--help"]))
    assert rest == ["--help"]
    assert is_taken(program, words[1:])


def test_an_option_that_went_stale_would_be_found() -> None:
    program, _ = program_of("ev-central --help")
    with pytest.raises(click.UsageError):
        is_taken(program, ["--no-such-option=1"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned(name: str) -> None:
    """By a version: what runs tomorrow is what runs today."""
    image = re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", SERVICES[name]["image"])
    assert re.search(r":v?\d+\.\d+", image), image


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_is_in_the_file(name: str) -> None:
    """Passwords are in volumes, and named by their files."""
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|CREDENTIAL", key):
            assert key.endswith("_FILE"), key
            assert value.startswith("/run/ev/")
    assert "--credential=" not in str(SERVICES[name].get("command", ""))
    assert "--insecure" not in str(SERVICES[name].get("command", ""))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_goes_on_serving_says_whether_it_serves(name: str) -> None:
    """A health check, and a restart by itself; what does one thing has neither."""
    service = SERVICES[name]
    if name in ONE_SHOTS:
        assert "healthcheck" not in service
        return
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name: str) -> None:
    """A read-only root, no capabilities, ten seconds to stop; fifteen for a gateway, to drain."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    gateway = "--drain=5" in service.get("command", [])
    assert service["stop_grace_period"] == ("15s" if gateway else "10s")
    assert "privileged" not in service


def test_what_is_reached_from_other_machines_asks_for_tls() -> None:
    """Central and the front of the gateways; what else is published is for this machine."""
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            public = name in ("central", "gateway")
            assert public or port.startswith("127.0.0.1:"), f"{name}: {port}"
    for name in ("central", "gateway-1", "gateway-2"):
        assert "--tls-cert=" in " ".join(SERVICES[name]["command"])
    (bind,) = re.findall(r"^ *bind (.*)$", HAPROXY.read_text(), re.MULTILINE)
    assert "ssl crt /run/ev/" in bind


def test_the_front_knows_every_gateway() -> None:
    """By TLS, with a certificate that is checked, and only while it is ready."""
    servers = re.findall(r"^ *server (\S+) (\S+)", HAPROXY.read_text(), re.MULTILINE)
    gateways = sorted(n for n, s in SERVICES.items() if s.get("command", [""])[0] == "ev-gateway")
    assert sorted(servers) == [(name, f"{name}:8887") for name in gateways]
    (defaults,) = re.findall(r"^ *default-server (.*)$", HAPROXY.read_text(), re.MULTILINE)
    assert "ssl verify required ca-file /run/ev/ca.pem" in defaults
    assert "check" in defaults.split()


def test_redis_is_reached_by_gateways_alone() -> None:
    """In a network of their own, by TLS, and with a certificate."""
    within = {n for n, s in SERVICES.items() if "gateways" in s.get("networks", [])}
    assert within == {"redis", "gateway", "gateway-1", "gateway-2"}
    assert SERVICES["redis"]["networks"] == ["gateways"]
    words = SERVICES["redis"]["command"]
    assert words[words.index("--port") + 1] == "0"
    assert "--tls-auth-clients" not in words, "the default asks everybody for a certificate"


def test_everybody_sees_its_own_secrets_alone() -> None:
    """Those who make them, and the migration of central's database, are the exceptions."""
    readers: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            if (secret := volume.split(":")[0]).endswith("-secrets"):
                readers.setdefault(secret, set()).add(name)
    makers = {"secrets", "enrol"}
    allowed = {
        "central-secrets": {"central", "migrate"},
        "kafka-secrets": {"kafka"},
        "postgres-secrets": {"postgres"},
        "enrol-secrets": set(),
        "driver-secrets": {"driver"},
        "admin-secrets": {"admin"},
        "metrics-secrets": {"prometheus", "grafana"},
        "redis-secrets": {"redis"},
        "front-secrets": {"gateway"},
        "charge-point-secrets": {"charge-point"},
        **{f"gateway-{n}-secrets": {f"gateway-{n}"} for n in (1, 2)},
        **{f"point-{n}-secrets": {f"monitor-{n}"} for n in (1, 2, 3)},
        **{f"engine-{n}-secrets": {f"engine-{n}"} for n in (1, 2, 3)},
    }
    assert {secret: names - makers for secret, names in readers.items()} == allowed
    assert "enrol" not in readers["central-secrets"] | readers["kafka-secrets"]


def test_kafka_starts_anew_where_somebody_new_may_come_in() -> None:
    """It reads their passwords only then; Compose starts it anew where its service has changed."""
    users = re.search(r"^KAFKA_USERS = (.*)$", (SCRIPTS / "provision.py").read_text(), re.MULTILINE)
    assert users is not None
    named = SERVICES["kafka"]["labels"]["evcharging.users"]
    assert tuple(named.split()) == ast.literal_eval(users[1])


def test_the_image_has_every_package_and_a_folder_for_every_secret() -> None:
    """Docker sees only what .dockerignore lets through."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    seen = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{package.rstrip('*')}" for package in packages} <= set(seen)
    image = set(re.findall(r"/secrets/\S+", (ROOT / "Dockerfile").read_text()))
    assert {volume.split(":")[1] for volume in SERVICES["secrets"]["volumes"]} == image


def test_the_image_runs_as_nobody_that_the_machine_knows() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    stages = [line for line in lines if line.startswith("FROM ")]
    assert len(stages) == 2
    assert all(re.search(r"python:3\.11-slim-bookworm", line) for line in stages)
