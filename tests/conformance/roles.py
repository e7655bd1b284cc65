"""Who a test can play: a monitor with the engine behind it, a driver, an operator."""

from __future__ import annotations

import time
from typing import Any

from .central import Central
from .peer import DEADLINE, QUIET, Address, Link, Message, message, new_id, pack
from .records import CHARGING, EVENTS, POINTS, REQUESTS, Publisher, Topic

__all__ = ["Admin", "Driver", "Monitor", "Network", "connector", "encode"]


def encode(content: Message) -> bytes:
    """The value of a Kafka record: the data of the frame, without the frame."""
    return pack(content)[1:-2]


def connector(number: int = 1, status: str = "available", **fields: Any) -> Message:
    return {"connector_id": number, "status": status, **fields}


class Monitor(Link):
    """A charge point: the monitor's link to central, and its records on `ev.charging`."""

    def __init__(self, address: Address, publisher: Publisher, cp_id: str) -> None:
        super().__init__(address)
        self.cp_id = cp_id
        self.publisher = publisher

    def register(self, **fields: Any) -> Message:
        """Register as our own monitors do; returns central's answer, which must be yes."""
        content: Message = {
            "location": "Calle Mayor 1",
            "max_charging_rate_kw": 11.0,
            "engine_status": "available",
            "connectors": [connector()],
            "held_sessions": [],
            "time_scale": 1,
            **fields,
        }
        answer = self.ask("register_request", cp_id=self.cp_id, **content)
        assert answer["type"] == "register_response", answer
        assert answer["status"] == "success", answer
        return answer

    def heartbeat(self, status: str = "available", **fields: Any) -> Message:
        answer = self.ask("heartbeat_request", cp_id=self.cp_id, status=status, **fields)
        assert answer["type"] == "heartbeat_response", answer
        assert answer["status"] == "success", answer
        return answer

    def settled(self, *session_ids: str) -> list[str]:
        """Which of these central lets the engine forget."""
        found: list[str] = self.heartbeat(held_sessions=list(session_ids)).get(
            "settled_sessions", []
        )
        return found

    def unsettled(self) -> list[str]:
        """The sessions central still wants to hear about."""
        found: list[str] = self.heartbeat().get("unsettled_sessions", [])
        return found

    def wait_settled(self, session_id: str) -> None:
        until = time.monotonic() + DEADLINE
        while session_id not in self.settled(session_id):
            assert time.monotonic() < until, f"{session_id} not settled in {DEADLINE} s"
            time.sleep(0.02)

    def reply(self, command: Message, status: str = "success", **fields: Any) -> None:
        """The engine's answer to a command."""
        self.send(
            "command_response",
            message_id=command["message_id"],
            status=status,
            **{"message": "", **fields},
        )

    def accept_start(self, **fields: Any) -> Message:
        """Wait for a start command and say yes; returns the command."""
        command = self.take(type="start_charging_command", **fields)
        self.reply(command, session_id=command["session_id"])
        return command

    def finish(self, session_id: str) -> None:
        """Say that the supply is over; connector and driver are about to be free."""
        self.send("status_update", cp_id=self.cp_id, status="finishing", session_id=session_id)

    def accept_stop(self, session_id: str) -> Message:
        command = self.take(type="stop_charging_command", session_id=session_id)
        self.reply(command, session_id=session_id)
        return command

    def assert_no_command(self, type_: str = "start_charging_command") -> None:
        """Nothing of this type is on its way: neither before an answer nor soon after it."""
        self.heartbeat()
        assert not self.has(QUIET, type=type_), self.inbox

    def report(self, session_id: str, outcome: str) -> None:
        self.send("session_report", cp_id=self.cp_id, session_id=session_id, outcome=outcome)

    # On ev.charging

    def publish(self, *contents: Message) -> None:
        self.publisher.publish(CHARGING, self.cp_id, *map(encode, contents))

    def reading(self, session_id: str, sequence: int, kwh: float, rate: float = 7.4) -> Message:
        """Publish one reading; returns it."""
        content = message(
            "charging_data",
            cp_id=self.cp_id,
            session_id=session_id,
            sequence=sequence,
            energy_consumed_kwh=kwh,
            total_cost=0.0,
            charging_rate=rate,
        )
        self.publish(content)
        return content

    def ticket(
        self, session_id: str, kwh: float, reason: str = "driver_request", **fields: Any
    ) -> Message:
        """Publish the engine's last word; returns it."""
        now = int(time.time())
        content = message("charge_completion", cp_id=self.cp_id, session_id=session_id) | {
            "energy_consumed_kwh": kwh,
            "total_cost": 0.0,
            "reason": reason,
            "started_at": now - 2,
            "ended_at": now,
            "meter_start_wh": 1000,
            "meter_stop_wh": 1000 + round(kwh * 1000),
            **fields,
        }
        self.publish(content)
        return content


class Driver(Link):
    """A driver's app: its link, and its requests by Kafka."""

    def __init__(self, address: Address, publisher: Publisher, driver_id: str) -> None:
        super().__init__(address)
        self.driver_id = driver_id
        self.publisher = publisher

    def request(self, cp_id: str, **fields: Any) -> Message:
        """A charge_request, not yet sent."""
        return message("charge_request", cp_id=cp_id, driver_id=self.driver_id, **fields)

    def charge(self, cp_id: str, **fields: Any) -> str:
        """Ask for a charge without waiting; returns the message_id."""
        return self.post(self.request(cp_id, **fields))

    def begin(self, monitor: Monitor, **fields: Any) -> str:
        """A charge that the engine accepts; returns its session_id."""
        asked = self.charge(monitor.cp_id, **fields)
        command = monitor.accept_start(driver_id=self.driver_id)
        answer = self.answer_to(asked)
        assert answer["type"] == "charge_request_response", answer
        assert answer["status"] == "success", answer
        assert answer["session_id"] == command["session_id"]
        return str(answer["session_id"])

    def begin_when_free(self, monitor: Monitor) -> str:
        """A charge, asked for anew until the point is no longer busy; its session_id."""
        until = time.monotonic() + DEADLINE
        asked = self.charge(monitor.cp_id)
        while not monitor.has(0.01, type="start_charging_command", driver_id=self.driver_id):
            assert time.monotonic() < until, f"still busy after {DEADLINE} s"
            if self.has(0.01, message_id=asked):
                assert self.answer_to(asked)["error"] == "charge_point_busy"
                asked = self.charge(monitor.cp_id)
        command = monitor.accept_start(driver_id=self.driver_id)
        assert self.answer_to(asked)["status"] == "success"
        return str(command["session_id"])

    def refused(self, cp_id: str, **fields: Any) -> str:
        """A charge that is refused; returns the reason."""
        answer = self.answer_to(self.charge(cp_id, **fields))
        assert answer["type"] == "charge_request_response", answer
        assert answer["status"] == "failure", answer
        return str(answer["error"])

    def ask_stop(self, cp_id: str, session_id: str, **fields: Any) -> str:
        """Ask for the end of a charge without waiting; returns the message_id."""
        return self.send(
            "stop_charging_request",
            **{"cp_id": cp_id, "session_id": session_id, "driver_id": self.driver_id, **fields},
        )

    def history(self) -> list[Message]:
        """All sessions of this driver, all pages joined."""
        return self.pages("charging_history_request", "sessions", driver_id=self.driver_id)

    def pages(self, type_: str, items: str, **fields: Any) -> list[Message]:
        return _pages(self, type_, items, **fields)

    def state(self, session_id: str) -> str | None:
        return next((s["state"] for s in self.history() if s["session_id"] == session_id), None)

    def wait_free(self) -> None:
        """Wait until the newest session holds neither connector nor driver."""
        until = time.monotonic() + DEADLINE
        while True:
            page = self.ask("charging_history_request", driver_id=self.driver_id, limit=1)
            states = [row["state"] for row in page.get("sessions", [])]
            if not {"authorised", "charging"} & set(states):
                return
            assert time.monotonic() < until, f"not over in {DEADLINE} s: {page}"
            time.sleep(0.005)

    def wait_session(self, session_id: str, state: str) -> Message:
        """The history's row, as soon as it says `state`."""
        until = time.monotonic() + DEADLINE
        while True:
            rows = [row for row in self.history() if row["session_id"] == session_id]
            if rows and rows[0]["state"] == state:
                return rows[0]
            assert time.monotonic() < until, f"not {state} in {DEADLINE} s: {rows}"
            time.sleep(0.02)

    def publish(self, *contents: Message) -> None:
        """The same requests by Kafka."""
        self.publisher.publish(REQUESTS, self.driver_id, *map(encode, contents))


class Admin(Link):
    """An operator's console."""

    def __init__(self, address: Address, admin_id: str) -> None:
        super().__init__(address)
        self.admin_id = admin_id
        answer = self.ask("auth_request", role="admin", admin_id=admin_id, credential="any")
        assert answer["status"] == "success", answer

    def command(self, command: str, cp_id: str, **fields: Any) -> str:
        """Send a manual_command without waiting; returns the message_id."""
        return self.send("manual_command", command=command, cp_id=cp_id, **fields)

    def rows(self) -> dict[str, Message]:
        """All charge points, all pages joined."""
        found = _pages(self, "points_request", "points")
        return {row["cp_id"]: row for row in found}

    def wait_row(self, cp_id: str, status: str | None = None, **fields: Any) -> Message:
        """The row of a point, as soon as it has this status and these fields."""
        wanted = fields if status is None else {"status": status, **fields}
        until = time.monotonic() + DEADLINE
        while True:
            row = self.rows().get(cp_id, {})
            if row and all(row.get(name) == value for name, value in wanted.items()):
                return row
            assert time.monotonic() < until, f"not {wanted} in {DEADLINE} s: {row}"
            time.sleep(0.02)

    def wait_connector(self, cp_id: str, number: int = 1, **fields: Any) -> Message:
        """One connector of a point, as soon as it has these fields."""
        until = time.monotonic() + DEADLINE
        while True:
            connectors = self.rows().get(cp_id, {}).get("connectors", [])
            for entry in connectors:
                if entry.get("connector_id", 1) == number and all(
                    entry.get(name) == value for name, value in fields.items()
                ):
                    found: Message = entry
                    return found
            assert time.monotonic() < until, f"not {fields} in {DEADLINE} s: {connectors}"
            time.sleep(0.02)


def _pages(link: Link, type_: str, items: str, **fields: Any) -> list[Message]:
    """Follow `next` to the last page."""
    found: list[Message] = []
    after: dict[str, Any] = {}
    while True:
        page = link.ask(type_, **fields, **after)
        assert page["status"] == "success", page
        found += page.get(items, [])
        if page.get("next") is None:
            return found
        assert page["next"] != after.get("after"), "next leads to the same page"
        after = {"after": page["next"]}


class Network:
    """Everybody around one central: makes peers, follows topics, and closes all of it."""

    def __init__(self, central: Central) -> None:
        self.central = central
        self.publisher = Publisher(central.bootstrap)
        self.events = Topic(central.bootstrap, EVENTS)
        self.points = Topic(central.bootstrap, POINTS)
        self._links: list[Link] = []

    def link(self, receive_buffer: int | None = None) -> Link:
        """A connection that has not said who it is."""
        link = Link(self.central.address, receive_buffer)
        self._links.append(link)
        return link

    def unregistered(self, cp_id: str | None = None) -> Monitor:
        monitor = Monitor(self.central.address, self.publisher, cp_id or new_id("CP"))
        self._links.append(monitor)
        return monitor

    def monitor(self, cp_id: str | None = None, **registration: Any) -> Monitor:
        """A charge point that has registered."""
        monitor = self.unregistered(cp_id)
        monitor.register(**registration)
        return monitor

    def driver(self, driver_id: str | None = None) -> Driver:
        driver = Driver(self.central.address, self.publisher, driver_id or new_id("D"))
        self._links.append(driver)
        return driver

    def admin(self) -> Admin:
        admin = Admin(self.central.address, new_id("A"))
        self._links.append(admin)
        return admin

    def hang_up(self) -> None:
        """Close all links; the topics are followed on."""
        for link in self._links:
            link.close()
        self._links.clear()

    def close(self) -> None:
        self.hang_up()
        self.events.close()
        self.points.close()
