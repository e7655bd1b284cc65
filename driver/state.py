"""What a driver remembers on disk: who it is, what it has asked for, and its last session.

A request is written, and on the disk, before it is sent. After a crash it is there, and asking for
the same again repeats it with the same id: the network takes it for the same request, so a crash
never makes a second charge. A stop has a file of its own, because it may be asked for from another
terminal while the charge is watched in the first.

Each file is replaced as a whole, so that it holds either what it held or what it is to hold.
"""

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from common.codec import encode
from common.errors import CannotStart, ChargingError
from common.messages import ChargeRequest, StopChargingRequest
from common.units import ConnectorId, DriverId, KafkaKey, MessageId, SessionId, WattHours

LOCK = "lock"
CHARGE = "charge.json"
STOP = "stop.json"
KEY = "kafka-key.json"


class Held(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session that this driver's charge became."""

    session_id: SessionId
    cp_id: str
    connector_id: ConnectorId = 1
    target_kwh: WattHours | None = None
    trace_id: MessageId | None = None


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A driver's last state.

    Attributes:
        request: Asked for, and its end not yet shown here; to be repeated with the same id.
        session: The last that began, until its end has been shown.
    """

    driver_id: DriverId
    request: ChargeRequest | None = None
    session: Held | None = None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What proves this driver's requests by Kafka: needed while central cannot be reached."""

    kafka_key: KafkaKey


S = TypeVar("S", bound=msgspec.Struct)


class NotRemembered(ChargingError):
    """The state could not be written, so that what it was for has not been sent either."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.why}; nothing was sent"


class StateFolder:
    """The folder of one driver's state; made when something is first kept in it.

    Raises:
        CannotStart: It cannot be used, or it is another driver's.
    """

    def __init__(self, path: Path, driver_id: str) -> None:
        self._path = path
        self._driver_id = driver_id
        self.remembered = self._read(CHARGE, Remembered) or Remembered(driver_id=driver_id)
        if self.remembered.driver_id != driver_id:
            raise CannotStart(
                f"{path} holds the state of driver {self.remembered.driver_id},"
                f" not of {driver_id}: name another folder with --state"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one process that charges from this folder.

        Raises:
            CannotStart: Another process is.
        """
        lock = self._path / LOCK
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CannotStart(f"cannot keep state in {self._path}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CannotStart(
                    f"another ev-driver charges as {self._driver_id} from {self._path};"
                    " stop, available and history work beside it"
                ) from None
            # Read again: what was there before the lock may have been the other's unfinished work.
            self.remembered = self._read(CHARGE, Remembered) or self.remembered
            yield
        finally:
            os.close(descriptor)

    def remember(self, *, request: ChargeRequest | None, session: Held | None) -> None:
        """Replace what is remembered; it is on the disk when this returns.

        Raises:
            NotRemembered: It could not be written.
        """
        remembered = Remembered(driver_id=self._driver_id, request=request, session=session)
        if remembered != self.remembered:
            self._write(CHARGE, remembered)
            self.remembered = remembered

    def pending_stop(self) -> StopChargingRequest | None:
        """The stop that was asked for and has not been answered, as far as this process saw."""
        return self._read(STOP, StopChargingRequest)

    def remember_stop(self, request: StopChargingRequest) -> None:
        """Keep a stop; it is on the disk when this returns.

        Raises:
            NotRemembered: It could not be written.
        """
        self._write(STOP, request)

    def forget_stop(self) -> None:
        """It has been answered."""
        (self._path / STOP).unlink(missing_ok=True)

    def kafka_key(self) -> bytes | None:
        """What central last gave this driver to prove its records with.

        Raises:
            CannotStart: The file is none of ours.
        """
        kept = self._read(KEY, Key)
        try:
            return None if kept is None else base64.b64decode(kept.kafka_key, validate=True)
        except ValueError:
            raise CannotStart(
                f"{self._path / KEY} holds no key: delete it to begin afresh"
            ) from None

    def keep_kafka_key(self, key: str) -> None:
        """Keep the key, for its owner's eyes only.

        Raises:
            NotRemembered: It could not be written.
        """
        if self._read(KEY, Key) != Key(kafka_key=key):
            self._write(KEY, Key(kafka_key=key), mode=0o600)

    def _read(self, name: str, kind: type[S]) -> S | None:
        path = self._path / name
        try:
            return msgspec.json.Decoder(kind, dec_hook=_quantity, float_hook=Decimal).decode(
                path.read_bytes()
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CannotStart(f"cannot read state in {path}: {error.strerror}") from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise CannotStart(
                f"{path} is no driver's state ({error}): delete it to begin afresh"
            ) from None

    def _write(self, name: str, content: msgspec.Struct, mode: int = 0o644) -> None:
        path, fresh = self._path / name, self._path / f"{name}.new"
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)  # its mode may be another one
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with open(descriptor, "wb") as file:
                file.write(encode(content))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            _sync_folder(self._path)
        except OSError as error:
            raise NotRemembered(path, error.strerror or str(error)) from None


def _quantity(kind: type, number: Any) -> Any:
    return kind.from_number(number)  # type: ignore[attr-defined]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
