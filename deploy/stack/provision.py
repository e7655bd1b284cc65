"""Makes what the stack's services prove themselves with, each into a volume of its own.

A CA and certificates; passwords of PostgreSQL and Kafka; the token of /metrics. What is there
stays: a second start changes nothing, and one with more services than the last makes what those
need. Who gets what:

    central    its certificate, its way into PostgreSQL and Kafka
    kafka      its certificate, the passwords of those who may come in
    postgres   its password
    engine-N   its certificate, and the key that its monitor must know
    point-N    the same for its monitor, with a way into Kafka
    gateway-N  its certificate, for charge points and for Redis, and a way into Kafka
    redis      its certificate
    front      its certificate, which charge points see, and whom to trust behind it
    driver     a way into Kafka
    admin      whom to trust
    metrics    the token, and whom to trust
    enrol      its ways into PostgreSQL and Kafka, and where the CA's key lies

The credentials of monitors, charge points, drivers and operators are made by `enrol.py`, in the
database.
"""

import re
import secrets
import sys
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from common.certs import HOSTS, authority, issue

ROOT = Path("/secrets")
POINTS = ("point-1", "point-2", "point-3")
ENGINES = ("engine-1", "engine-2", "engine-3")
GATEWAYS = ("gateway-1", "gateway-2")
KAFKA_USERS = ("central", "monitor", "driver", "gateway")

CLIENT = """\
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.username={user}
sasl.password={password}
ssl.ca.location=/run/ev/ca.pem
"""

JAAS = """\
clients.KafkaServer {{
  org.apache.kafka.common.security.plain.PlainLoginModule required
  {users};
}};
"""


def main() -> None:
    """Make what is missing."""
    certificates()
    share(("postgres", "password"))
    password = (ROOT / "postgres" / "password").read_text()
    for owner in ("central", "enrol"):
        put(owner, "pgpass", f"postgres:5432:*:ev:{password}\n", mode=0o600)
    passwords = kafka_passwords()
    for owner, user in (
        ("central", "central"),
        ("enrol", "central"),
        ("driver", "driver"),
        *((point, "monitor") for point in POINTS),
        *((gateway, "gateway") for gateway in GATEWAYS),
    ):
        put(owner, "kafka.properties", CLIENT.format(user=user, password=passwords[user]))
    scraped = ("central", "metrics", *POINTS, *ENGINES, *GATEWAYS)
    share(*((owner, "metrics-token") for owner in scraped))
    for engine, point in zip(ENGINES, POINTS, strict=True):
        share((engine, "key"), (point, "engine-key"))
    share(("metrics", "grafana-password"))
    sys.stdout.write("the secrets are there\n")


def certificates() -> None:
    """A CA, and a certificate for each who listens; everybody learns whom to trust."""
    folder = ROOT / "enrol" / "ca"
    ca = authority(folder)
    trusted = (folder / "ca.pem").read_text()
    programs = ("central", "driver", "admin", *POINTS, *ENGINES, *GATEWAYS)
    for owner in (*programs, "kafka", "redis", "front", "metrics", "enrol"):
        put(owner, "ca.pem", trusted)
    certificate(ca, "central", "central")
    certificate(ca, "kafka", "kafka")
    key = load_pem_private_key((ROOT / "kafka" / "kafka.key").read_bytes(), None)
    # Kafka reads keys in PKCS #8 alone, before their certificate.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    put("kafka", "keystore.pem", pem + (ROOT / "kafka" / "kafka.pem").read_text())
    for number, (engine, point) in enumerate(zip(ENGINES, POINTS, strict=True), 1):
        certificate(ca, engine, "engine", f"engine-{number}")
        certificate(ca, point, "monitor", f"monitor-{number}")
    certificate(ca, "redis", "redis")
    # Its server runs as a user of its own image.
    (ROOT / "redis" / "redis.key").chmod(0o644)
    for gateway in GATEWAYS:
        certificate(ca, gateway, "gateway", gateway)
    certificate(ca, "front", "gateway")
    # HAProxy reads both from one file.
    both = [(ROOT / "front" / f"gateway.{end}").read_text() for end in ("pem", "key")]
    put("front", "front.pem", "".join(both))


def certificate(ca: trustme.CA, owner: str, name: str, *hosts: str) -> None:
    """One that the CA signed, and its key, unless they are there."""
    if not (ROOT / owner / f"{name}.pem").exists():  # it is written last
        issue(ca, ROOT / owner, name, (*HOSTS, *hosts))
        sys.stdout.write(f"{owner}: {name}.pem\n")


def kafka_passwords() -> dict[str, str]:
    """Those of all who may come into Kafka; who is new there gets one, the others keep theirs."""
    path = ROOT / "kafka" / "jaas.conf"
    known = dict(re.findall(r'user_(\w+)="(.*)"', path.read_text())) if path.exists() else {}
    passwords = {user: secrets.token_urlsafe(32) for user in KAFKA_USERS} | known
    if passwords != known:
        users = "\n  ".join(f'user_{user}="{password}"' for user, password in passwords.items())
        write(path, JAAS.format(users=users))
    return passwords


def share(*places: tuple[str, str]) -> None:
    """Put one secret into these files of these owners: that of those that are there, or a new."""
    there = [path for owner, name in places if (path := ROOT / owner / name).exists()]
    secret = there[0].read_text() if there else secrets.token_urlsafe(32)
    for owner, name in places:
        put(owner, name, secret)


def put(owner: str, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file that only the containers with this volume see, unless it is there."""
    path = ROOT / owner / name
    if not path.exists():
        write(path, text, mode)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole, for whoever runs in the containers that see it."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode)
    fresh.write_text(text)
    fresh.replace(path)
    sys.stdout.write(f"{path.parent.name}: {path.name}\n")


if __name__ == "__main__":
    main()
