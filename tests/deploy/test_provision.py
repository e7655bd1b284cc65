"""What the stack's services prove themselves with: made once, complete, and never changed."""

import importlib.util
import re
import ssl
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cryptography import x509

ROOT = Path(__file__).parents[2]
HAPROXY = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
OWNERS = [Path(volume.split(":")[1]).name for volume in SERVICES["secrets"]["volumes"]]
NEW = ("gateway-1", "gateway-2", "redis", "front", "charge-point")
"""Who is not there in a stack from before OCPP."""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with empty volumes."""
    spec = importlib.util.spec_from_file_location("provision", ROOT / "deploy/stack/provision.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for owner in OWNERS:
        (tmp_path / owner).mkdir()
    return module


def files(root: Path) -> dict[str, bytes]:
    """All that is in the volumes."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def users(jaas: bytes) -> dict[str, str]:
    """The passwords that Kafka knows."""
    return dict(re.findall(r'user_(\w+)="(.*?)"', jaas.decode()))


def test_every_file_that_a_service_names_is_there(script: ModuleType, tmp_path: Path) -> None:
    """In the volume that it sees; credentials alone come later, from the database."""
    script.main()
    looked_at = 0
    for name, service in SERVICES.items():
        mounted = [v.split(":") for v in service.get("volumes", [])]
        folders = [volume for volume, place, *_ in mounted if place == "/run/ev"]
        named = re.findall(r"/run/ev/([\w.-]+)", str(service))
        if name == "gateway":
            named += re.findall(r"/run/ev/([\w.-]+)", HAPROXY.read_text())
        for file in set(named) - {"credential"}:
            (folder,) = folders
            assert (tmp_path / folder.removesuffix("-secrets") / file).exists(), f"{name}: {file}"
            looked_at += 1
    assert looked_at > 50


def test_a_second_start_changes_nothing(script: ModuleType, tmp_path: Path) -> None:
    script.main()
    before = files(tmp_path)
    script.main()
    assert files(tmp_path) == before


def test_an_older_stack_gets_what_is_new_and_keeps_the_rest(
    script: ModuleType, tmp_path: Path
) -> None:
    """As one of before OCPP: no gateways, no user of theirs in Kafka, a mark that it is done."""
    script.main()
    for owner in NEW:
        for path in (tmp_path / owner).iterdir():
            path.unlink()
    jaas = tmp_path / "kafka" / "jaas.conf"
    jaas.write_text(re.sub(r'\n  user_gateway=".*"', "", jaas.read_text()))
    (tmp_path / "enrol" / "done").touch()
    before = files(tmp_path)

    script.main()

    after = files(tmp_path)
    known, now = users(before.pop("kafka/jaas.conf")), users(after["kafka/jaas.conf"])
    assert set(now) - set(known) == {"gateway"}
    assert now == known | {"gateway": now["gateway"]}
    assert {name: after[name] for name in before} == before
    settings = after["gateway-1/kafka.properties"].decode()
    assert f"sasl.password={now['gateway']}\n" in settings
    assert after["gateway-2/metrics-token"] == before["central/metrics-token"]


@pytest.mark.parametrize("written", [0, 5, 20, 35, 46])
def test_a_start_that_broke_off_is_finished_by_the_next(
    written: int, script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who shares a secret has the same."""
    script.main()
    complete = set(files(tmp_path))
    for name in complete:
        (tmp_path / name).unlink()
    write, left = script.write, iter(range(written))

    def broken(*args: Any) -> None:
        if next(left, None) is None:
            raise OSError("no space left on device")
        write(*args)

    monkeypatch.setattr(script, "write", broken)
    with pytest.raises(OSError, match="no space"):
        script.main()
    monkeypatch.setattr(script, "write", write)
    script.main()
    made = files(tmp_path)
    assert set(made) == complete
    for user, password in users(made["kafka/jaas.conf"]).items():
        holders = [
            made[name].decode()
            for name in complete
            if name.endswith("kafka.properties") and f"username={user}\n" in made[name].decode()
        ]
        assert holders
        assert all(f"sasl.password={password}\n" in holder for holder in holders)
    assert made["engine-1/key"] == made["point-1/engine-key"]
    assert made["postgres/password"] in made["enrol/pgpass"]
    assert len({text for name, text in made.items() if name.endswith("metrics-token")}) == 1


def test_every_certificate_is_the_ca_s_and_fits_its_key(script: ModuleType, tmp_path: Path) -> None:
    script.main()
    ca = x509.load_pem_x509_certificate((tmp_path / "enrol/ca/ca.pem").read_bytes())
    keys = [path for path in tmp_path.rglob("*.key") if path.parent.name != "ca"]
    assert len(keys) == 12
    for key in keys:
        pem = key.with_suffix(".pem")
        x509.load_pem_x509_certificate(pem.read_bytes()).verify_directly_issued_by(ca)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pem, key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "front" / "front.pem")
