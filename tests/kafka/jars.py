"""A broker from Kafka's own jars: Maven fetches them once, a JDK runs them."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.kafka.broker import SETTINGS, Broker, BrokerError, await_answer
from tests.kafka.ports import free_port

# Kafka 4 needs it, for the broker.
OLDEST_JAVA = 17

# Kafka logs by slf4j and brings no logger.
LOG4J = "2.25.4"

COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

# kafka-tools-api is named by Kafka's pom, missing from Maven Central in some
# versions, and not needed by a broker.
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{kafka}</version>
      <exclusions>
        <exclusion>
          <groupId>org.apache.kafka</groupId>
          <artifactId>kafka-tools-api</artifactId>
        </exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{log4j}</version>
    </dependency>
  </dependencies>
</project>
"""

LOG4J_PROPERTIES = """\
rootLogger.level=info
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
"""


class JarBroker(Broker):
    """Kafka in a JVM of our own, with its data in a temporary folder.

    Args:
        port: Where clients begin; a free one if None.
        settings: Further ones, or other ones than usual.
        cluster_id: Of the cluster that it is a part of; one of its own if None.
    """

    def __init__(
        self,
        jars: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
    ) -> None:
        port, controller = port or free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        self._jars = jars
        listeners = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        self._settings = SETTINGS | listeners | dict(settings or {})
        self._cluster_id = cluster_id
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of its process, which runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        folder = self._folder or self._format()
        with (folder / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", folder / "properties"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the tests; they stop the broker when they are done.
                start_new_session=True,
            )
        self._watcher = _kill_when_we_die(self._process.pid)
        await_answer(self.bootstrap, check=self._check)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def empty(self) -> None:
        assert self._process is None or self._process.poll() is not None, "stop it first"
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def close(self) -> None:
        self.kill()  # the data goes anyway, so there is nothing to wait for
        self.empty()

    def _end(self, how: signal.Signals) -> None:
        for process, by in ((self._watcher, signal.SIGKILL), (self._process, how)):
            if process is not None:
                process.send_signal(by)
                process.communicate()  # waits, and closes the watcher's pipe

    def _format(self) -> Path:
        folder = self._folder = Path(tempfile.mkdtemp(prefix="evcharging-kafka-"))
        settings = self._settings | {"log.dirs": str(folder / "data")}
        properties = folder / "properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        (folder / "log4j2.properties").write_text(LOG4J_PROPERTIES)
        formatted = subprocess.run(
            self._java(
                "kafka.tools.StorageTool",
                "format",
                "-t",
                self._cluster_id or new_cluster_id(),
                "-c",
                properties,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if formatted.returncode != 0:
            raise BrokerError(f"Kafka cannot format its data:\n{formatted.stdout[-3000:]}")
        return folder

    def _java(self, main: str, *arguments: str | Path) -> list[str]:
        return [
            java() or "java",
            "-Xmx512m",
            # It lives for minutes: the quick compiler alone has it up sooner.
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self._folder}/log4j2.properties",
            "-cp",
            f"{self._jars}/*",
            main,
            *map(str, arguments),
        ]

    def _check(self) -> None:
        assert self._process is not None
        assert self._folder is not None
        if self._process.poll() is not None:
            log = (self._folder / "kafka.log").read_text(errors="replace")
            raise BrokerError(f"Kafka ended while it was starting:\n{log[-3000:]}")


def new_cluster_id() -> str:
    """A cluster's id as Kafka writes them: 16 random bytes in 22 characters, `-` not first."""
    # Kafka's own tool takes one that begins with a dash for an option, and ends.
    return urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


def jar_folder(version: str) -> Path:
    """Where the jars of that version are, once fetched."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "evcharging" / f"kafka-{version}"


def fetch_jars(version: str) -> Path:
    """The folder with the jars, fetched by Maven if it is not there yet."""
    folder = jar_folder(version)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        (Path(work) / "pom.xml").write_text(POM.format(kafka=version, log4j=LOG4J))
        fetched = subprocess.run(
            ["mvn", "-B", "-q", COPY_DEPENDENCIES, "-DoutputDirectory=jars"],
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if fetched.returncode != 0:
            raise BrokerError(f"Maven cannot fetch Kafka {version}:\n{fetched.stdout[-3000:]}")
        try:
            # Whole or not at all: the folder's being there says that it is complete.
            (Path(work) / "jars").rename(folder)
        except OSError:
            if not folder.exists():  # else another run was quicker
                raise
    return folder


@cache
def java() -> str | None:
    """The command of a Java that can run the broker, if there is one."""
    home = os.environ.get("JAVA_HOME")
    command = shutil.which(f"{home}/bin/java" if home else "java")
    if command is None:
        return None
    asked = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', asked.stderr)
    return command if version and int(version[1]) >= OLDEST_JAVA else None


def _kill_when_we_die(pid: int) -> subprocess.Popen[bytes]:
    """A shell that waits for the end of our pipe, which also comes when we are killed."""
    return subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -9 "$1"', "sh", str(pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
