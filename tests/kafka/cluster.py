"""Brokers of a special shape, from Kafka's jars: three that replicate, and one behind a proxy.

These need Java and Maven (or the jars that Maven has fetched) also where docker would do for the
other tests.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from confluent_kafka.admin import AdminClient

from tests.kafka.broker import SETTINGS, connect
from tests.kafka.find import NothingThereError, install_command, kafka_image
from tests.kafka.jars import JarBroker, fetch_jars, java, new_cluster_id
from tests.kafka.ports import free_port

NODES = (1, 2, 3)

REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # A follower that is dead holds up nobody for the usual 30 s.
    "replica.lag.time.max.ms": "5000",
    # A leader of the controllers that is dead is replaced within a second or two.
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
}


class Cluster:
    """Three brokers, each a controller too, that keep every record three times.

    Attributes:
        bootstrap: All three, as `host:port,host:port,host:port`.
        nodes: The brokers, by node id.
    """

    def __init__(self) -> None:
        jars, cluster_id = _jars(), new_cluster_id()
        ports = {node: (free_port(), free_port()) for node in NODES}
        voters = ",".join(f"{node}@127.0.0.1:{ports[node][1]}" for node in NODES)
        self.nodes = {
            node: JarBroker(
                jars,
                port=port,
                cluster_id=cluster_id,
                settings=REPLICATED
                | {
                    "node.id": str(node),
                    "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}",
                    "controller.quorum.voters": voters,
                },
            )
            for node, (port, control) in ports.items()
        }
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes.values())

    def __enter__(self) -> Self:
        try:
            self._all(JarBroker.start)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop them, and leave nothing behind."""
        self._all(JarBroker.close)

    def leader(self, topic: str, partition: int) -> int:
        """The node that leads this partition."""
        admin: AdminClient = connect(self.bootstrap)
        return int(admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)

    def replicas(self, topic: str) -> set[int]:
        """How many copies the partitions of a topic have."""
        admin: AdminClient = connect(self.bootstrap)
        partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
        return {len(partition.replicas) for partition in partitions}

    def _all(self, action: Callable[[JarBroker], None]) -> None:
        # At once: none of them is ready before there are two.
        with ThreadPoolExecutor(len(NODES)) as threads:
            list(threads.map(action, self.nodes.values()))


def broker_behind(port: int, listener: int) -> JarBroker:
    """A broker that sends those who come by `listener` to `port`, where a proxy stands before it.

    Those who come by its own address, `bootstrap`, meet no proxy.
    """
    own = free_port()
    controller = free_port()
    listeners = {
        "listeners": (
            f"PLAINTEXT://127.0.0.1:{own},WIRED://127.0.0.1:{listener},"
            f"CONTROLLER://127.0.0.1:{controller}"
        ),
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{own},WIRED://127.0.0.1:{port}",
        "listener.security.protocol.map": (
            SETTINGS["listener.security.protocol.map"] + ",WIRED:PLAINTEXT"
        ),
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
    }
    return JarBroker(_jars(), port=own, settings=listeners)


def _jars() -> Path:
    version = kafka_image()[1]
    if java() is None:
        raise NothingThereError(f"This needs Java for Kafka's own jars. Run: {install_command()}")
    return fetch_jars(version)
