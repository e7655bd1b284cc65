"""Which broker the tests use, and how to install what it needs."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.kafka.broker import Broker, BrokerError, ForeignBroker
from tests.kafka.docker import DockerBroker, image_is_there
from tests.kafka.jars import JarBroker, fetch_jars, jar_folder, java

COMPOSE_FILE = Path(__file__).parents[2] / "docker-compose.yml"

# Any of these runs Kafka. Which one a distribution has differs, and the
# default may be older than all of them.
JAVA_PACKAGES = ("openjdk-21-jre-headless", "openjdk-17-jre-headless", "default-jre-headless")


class NothingThereError(BrokerError):
    """Neither a broker nor what starts one; the text says what to do."""


def find_broker(*, own: bool = False) -> Broker:
    """A broker, not started yet: given by `EV_TEST_KAFKA`, by docker, or by Java and Maven.

    Args:
        own: It must be one that may be killed, so not that of `EV_TEST_KAFKA`.

    Raises:
        NothingThereError: There is none of the three.
        BrokerError: There is one, but it does not work.
    """
    given = os.environ.get("EV_TEST_KAFKA")
    # Tests on one broker must follow one another: other processes have brokers of their own.
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if given and not own and first:
        return ForeignBroker(given)
    image, version = kafka_image()
    if _docker_has(image):
        return DockerBroker(image)
    if not missing_packages():
        return JarBroker(fetch_jars(version))
    raise NothingThereError(
        "The tests need Apache Kafka. Name a running one in EV_TEST_KAFKA=host:port, "
        f"or start docker, or run: {install_command()}"
    )


def kafka_image() -> tuple[str, str]:
    """The image and version of Kafka that docker-compose.yml names."""
    found = re.search(r"image: *(apache/kafka:([\d.]+))", COMPOSE_FILE.read_text())
    assert found is not None, "docker-compose.yml names no image of Kafka"
    return found[1], found[2]


def missing_packages() -> list[str]:
    """The packages to install before Kafka's jars can be fetched and run."""
    missing = []
    if java() is None:
        missing.append(next(filter(_is_known, JAVA_PACKAGES), JAVA_PACKAGES[-1]))
    if shutil.which("mvn") is None and not jar_folder(kafka_image()[1]).exists():
        missing.append("maven")
    return missing


def install_command() -> str:
    """What a person types to install what is missing."""
    if shutil.which("apt-get") is None:
        return "the installer of your system, for Java 17 or later and Maven"
    return f"sudo apt-get update && sudo apt-get install --yes {' '.join(missing_packages())}"


def install() -> None:
    """Install what the jars need, where this user may.

    Raises:
        NothingThereError: It may not; says what to type.
        BrokerError: It may, but apt-get fails.
    """
    root = os.geteuid() == 0
    if shutil.which("apt-get") is None or not (root or _output("sudo", "-n", "id")):
        raise NothingThereError(
            f"The tests need Java and Maven for Kafka. Run: {install_command()}"
        )
    apt = ["apt-get", "-qq"] if root else ["sudo", "-n", "apt-get", "-qq"]
    _call(*apt, "update")
    # Asked only now: what apt can install is known after the update.
    _call(*apt, "install", "--yes", "--no-install-recommends", *missing_packages())
    java.cache_clear()


@cache
def _docker_has(image: str) -> bool:
    return image_is_there(image, jar_folder("any").parent)


def _is_known(package: str) -> bool:
    # Its output counts: `show` succeeds also for packages that others merely mention.
    return bool(_output("apt-cache", "madison", package))


def _output(*command: str) -> str:
    """What the command prints; nothing if it fails or is not there."""
    if shutil.which(command[0]) is None:
        return ""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout if ran.returncode == 0 else ""


def _call(*command: str) -> None:
    # Debian's packages ask questions otherwise, of nobody.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        raise BrokerError(f"This failed: {' '.join(command)}")
