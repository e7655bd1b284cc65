"""A broker in a container of the official image."""

import shutil
import subprocess
import time
import uuid
from pathlib import Path

from tests.kafka.broker import SETTINGS, Broker, BrokerError, await_answer
from tests.kafka.jars import new_cluster_id
from tests.kafka.ports import free_port

PULL_TIMEOUT = 60.0

# Where images cannot be pulled, only one run of an hour waits to find that out.
PULL_AGAIN_AFTER = 3600.0


class DockerBroker(Broker):
    """Kafka in a container; its data is an anonymous volume that goes with it."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._name = f"evcharging-kafka-{uuid.uuid4().hex[:12]}"
        self._created = False

    def start(self) -> None:
        if self._created:
            _docker("start", self._name)
        else:
            self._created = True
            _docker("run", "--detach", f"--name={self._name}", *self._options(), self._image)
        await_answer(self.bootstrap, check=self._check)

    def stop(self) -> None:
        _docker("stop", self._name)

    def kill(self) -> None:
        _docker("kill", self._name)

    def empty(self) -> None:
        if self._created:
            _docker("rm", "--force", "--volumes", self._name)
            self._created = False

    def close(self) -> None:
        self.empty()

    def _options(self) -> list[str]:
        settings = SETTINGS | {
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": "1@localhost:9093",
            "log.dirs": "/var/lib/kafka/data",
            "heap.opts": "-Xmx512m",
        }
        # The image takes node.id from KAFKA_NODE_ID, and so on.
        variables = {f"KAFKA_{k.upper().replace('.', '_')}": v for k, v in settings.items()}
        variables["CLUSTER_ID"] = new_cluster_id()
        return [
            f"--publish=127.0.0.1:{self._port}:9092",
            *(f"--env={name}={value}" for name, value in variables.items()),
        ]

    def _check(self) -> None:
        if _docker("inspect", "--format={{.State.Running}}", self._name).strip() != "true":
            log = _docker("logs", "--tail=40", self._name)
            raise BrokerError(f"Kafka's container ended while it was starting:\n{log}")


def image_is_there(image: str, cache: Path) -> bool:
    """Whether docker answers and has the image, or can pull it.

    Args:
        cache: A folder for remembering that the image could not be pulled.
    """
    if not _succeeds("version", timeout=10):
        return False
    if _succeeds("image", "inspect", image, timeout=10):
        return True
    failed = cache / f"not-pulled-{image.replace('/', '-')}"
    if failed.exists() and time.time() - failed.stat().st_mtime < PULL_AGAIN_AFTER:
        return False
    if _succeeds("pull", "--quiet", image, timeout=PULL_TIMEOUT):
        return True
    cache.mkdir(parents=True, exist_ok=True)
    failed.touch()
    return False


def _docker(*arguments: str) -> str:
    ran = subprocess.run(
        ["docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise BrokerError(f"docker {arguments[0]} fails: {ran.stdout.strip()}")
    return ran.stdout


def _succeeds(*arguments: str, timeout: float) -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        ran = subprocess.run(
            ["docker", *arguments], capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ran.returncode == 0
