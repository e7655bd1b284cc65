"""Makes what the stack's services prove themselves with, once, each into a volume of its own.

A CA and certificates; passwords of PostgreSQL and Kafka; the token of /metrics. What is there
stays, so that a second start changes nothing. Who gets what:

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

import secrets
import sys
from pathlib import Path

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
    """Make all of it, unless it is there."""
    if (ROOT / "enrol" / "done").exists():
        sys.stdout.write("the secrets are there\n")
        return
    certificates()
    postgres = secrets.token_urlsafe(32)
    put("postgres", "password", postgres)
    for owner in ("central", "enrol"):
        put(owner, "pgpass", f"postgres:5432:*:ev:{postgres}\n", mode=0o600)
    passwords = {user: secrets.token_urlsafe(32) for user in KAFKA_USERS}
    put("kafka", "jaas.conf", jaas(passwords))
    for owner, user in (
        ("central", "central"),
        ("enrol", "central"),
        ("driver", "driver"),
        *((point, "monitor") for point in POINTS),
        *((gateway, "gateway") for gateway in GATEWAYS),
    ):
        put(owner, "kafka.properties", CLIENT.format(user=user, password=passwords[user]))
    token = secrets.token_urlsafe(32)
    for owner in ("central", "metrics", *POINTS, *ENGINES, *GATEWAYS):
        put(owner, "metrics-token", token)
    for engine, point in zip(ENGINES, POINTS, strict=True):
        key = secrets.token_urlsafe(32)
        put(engine, "key", key)
        put(point, "engine-key", key)
    put("metrics", "grafana-password", secrets.token_urlsafe(16))
    put("enrol", "done", "")
    sys.stdout.write("the secrets are made\n")


def certificates() -> None:
    """A CA, and a certificate for each who listens; everybody learns whom to trust."""
    folder = ROOT / "enrol" / "ca"
    ca = authority(folder)
    trusted = (folder / "ca.pem").read_text()
    programs = ("central", "driver", "admin", *POINTS, *ENGINES, *GATEWAYS)
    for owner in (*programs, "kafka", "redis", "front", "metrics", "enrol"):
        put(owner, "ca.pem", trusted)
    issue(ca, ROOT / "central", "central", HOSTS)
    issue(ca, ROOT / "kafka", "kafka", HOSTS)
    key = load_pem_private_key((ROOT / "kafka" / "kafka.key").read_bytes(), None)
    # Kafka reads keys in PKCS #8 alone, before their certificate.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    put("kafka", "keystore.pem", pem + (ROOT / "kafka" / "kafka.pem").read_text())
    for number, (engine, point) in enumerate(zip(ENGINES, POINTS, strict=True), 1):
        issue(ca, ROOT / engine, "engine", (*HOSTS, f"engine-{number}"))
        issue(ca, ROOT / point, "monitor", (*HOSTS, f"monitor-{number}"))
    issue(ca, ROOT / "redis", "redis", (*HOSTS, "redis"))
    # Its server runs as a user of its own image.
    (ROOT / "redis" / "redis.key").chmod(0o644)
    for gateway in GATEWAYS:
        issue(ca, ROOT / gateway, "gateway", (*HOSTS, gateway))
    issue(ca, ROOT / "front", "gateway", (*HOSTS, "gateway"))
    # HAProxy reads both from one file.
    both = [(ROOT / "front" / f"gateway.{end}").read_text() for end in ("pem", "key")]
    put("front", "front.pem", "".join(both))


def jaas(passwords: dict[str, str]) -> str:
    """Who may come into Kafka, as its login module reads it."""
    users = "\n  ".join(f'user_{user}="{password}"' for user, password in passwords.items())
    return JAAS.format(users=users)


def put(owner: str, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file that only the containers with this volume see, whoever runs in them."""
    path = ROOT / owner / name
    path.touch(mode)
    path.write_text(text)


if __name__ == "__main__":
    main()
