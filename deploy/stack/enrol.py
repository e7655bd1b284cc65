"""Lets the stack's programs in: their credentials in the database, their rights in Kafka.

Each credential is made once, and written into the volume of who proves itself with it; where the
file is there, nothing changes.
"""

import sys
import time
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from central.credentials import CHARGE_POINT, hash_of, new_password, new_secret
from central.store import credentials
from common.messages import Role
from common.program import read_kafka_config
from common.protocol import (
    ACCESS,
    CHARGING,
    DOWN,
    DRIVER_EVENTS,
    DRIVER_REQUESTS,
    FRAMES,
    UP,
    Topic,
)

ROOT = Path("/secrets")
DATABASE = "postgresql://ev@postgres/ev?passfile=/secrets/enrol/pgpass"

PEERS: tuple[tuple[str, str, str], ...] = (
    ("point-1", Role.MONITOR, "ALC-001"),
    ("point-2", Role.MONITOR, "ALC-002"),
    ("point-3", Role.MONITOR, "ALC-003"),
    ("driver", Role.DRIVER, "DEMO"),
    ("admin", Role.ADMIN, "operator"),
    ("charge-point", CHARGE_POINT, "ALC-101"),
)

RIGHTS: tuple[tuple[str, AclOperation, Topic], ...] = (
    ("monitor", AclOperation.WRITE, CHARGING),
    ("driver", AclOperation.WRITE, DRIVER_REQUESTS),
    ("driver", AclOperation.READ, DRIVER_EVENTS),
    ("gateway", AclOperation.WRITE, UP),
    ("gateway", AclOperation.WRITE, FRAMES),
    ("gateway", AclOperation.READ, DOWN),
    ("gateway", AclOperation.READ, ACCESS),
    # Before it begins, it looks whether central has made them as they must be.
    *(("gateway", AclOperation.DESCRIBE_CONFIGS, topic) for topic in (UP, DOWN, ACCESS, FRAMES)),
)
"""What each may do in Kafka; central, as its superuser, may do everything."""


NO_GROUP = "evcharging"
"""What a consumer that keeps no offsets names as its group."""


def main() -> None:
    """Make what is missing."""
    for owner, role, peer_id in PEERS:
        path = ROOT / owner / "credential"
        if path.exists():
            continue  # it is written as a whole, after the database has it
        secret = new_password() if role == CHARGE_POINT else new_secret()
        credentials.add(DATABASE, role, peer_id, hash_of(secret), int(time.time()))
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(0o600)
        fresh.write_text(secret)
        fresh.replace(path)
        sys.stdout.write(f"{role} {peer_id} has a credential\n")
    grant()


def grant() -> None:
    """Give the rights in Kafka; those that are there stay."""
    settings = read_kafka_config("/secrets/enrol/kafka.properties")
    settings["ssl.ca.location"] = "/secrets/enrol/ca.pem"
    admin = AdminClient({"bootstrap.servers": "kafka:9092", **settings})
    wanted = [
        right(user, operation, ResourceType.TOPIC, str(topic)) for user, operation, topic in RIGHTS
    ]
    # They commit nothing there; librdkafka asks who would take it all the same.
    wanted += [
        right(user, AclOperation.DESCRIBE, ResourceType.GROUP, NO_GROUP)
        for user in ("driver", "gateway")
    ]
    for done in admin.create_acls(wanted, request_timeout=20).values():
        done.result()
    sys.stdout.write(f"{len(wanted)} rights in Kafka\n")


def right(user: str, operation: AclOperation, kind: ResourceType, name: str) -> AclBinding:
    """That this user may do this."""
    return AclBinding(
        kind,
        name,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        operation,
        AclPermissionType.ALLOW,
    )


if __name__ == "__main__":
    main()
