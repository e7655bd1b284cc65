"""PostgreSQL dies under a network at work: refused meanwhile, nothing lost, and it heals."""

import subprocess
from pathlib import Path

from central.store import migrate_database
from tests.kafka.broker import Broker
from tests.postgres.server import Server
from tests.programs.network import SOON, Network, eventually


def test_a_database_that_dies_and_comes_back(
    kafka: Broker, own_postgres: Server, tmp_path: Path
) -> None:
    """A charge that ran before is billed after; one that is asked for meanwhile is refused."""
    url = own_postgres.database()
    migrate_database(url)
    with Network(tmp_path, kafka.bootstrap, database=url) as network:
        network.point("ALC-1", "--time-scale", "60")
        network.point("ALC-2")
        assert network.admin("start", "ALC-1", "ANA")["succeeded"] == 1
        eventually(
            lambda: (
                network.admin("sessions", "--cp", "ALC-1")["sessions"][0]["state"] == "charging"
            ),
            "the charge runs",
        )
        own_postgres.kill()
        refused = subprocess.run(
            network.driver("BOB", "charge", "ALC-2", "--json"),
            capture_output=True,
            timeout=2 * SOON,
            check=False,
        )
        assert refused.returncode == 1
        assert any(why in refused.stderr for why in (b"(internal)", b"(overloaded)"))
        assert network.admin("status", "ALC-1")["points"][0]["status"] == "Charging"
        health = network.admin_fails("health")
        assert health["database"] != "ok"
        own_postgres.start()
        assert network.admin("stop-charging", "ALC-1")["succeeded"] == 1
        (ticket,) = eventually(
            lambda: network.admin("tickets", "--cp", "ALC-1")["tickets"], "the ticket is stored"
        )
        assert ticket["reason"] == "operator_request"
        assert ticket["energy_consumed_kwh"] > 0
        eventually(lambda: network.admin("health")["database"] == "ok", "the database is ok")
        network.point("ALC-3")
