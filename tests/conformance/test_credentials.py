"""Who is let in, once a credential was made: nobody without one, and each as itself alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import random
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from .central import Central
from .peer import DEADLINE, Link, Message, message, new_id, same_answer
from .records import REQUESTS
from .roles import Driver, Monitor, Network, encode

FIELD = {"monitor": "cp_id", "driver": "driver_id", "admin": "admin_id"}
REVOKED_WITHIN = 1.5  # seconds: the promise is one, the rest is for a loaded machine


def credentials(central: Central, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ev-central credentials …` on central's database, beside central."""
    command = Path(sys.executable).parent / "ev-central"
    database = f"sqlite:///{central.folder / 'central.db'}"
    return subprocess.run(
        [command, "credentials", *arguments, "--database", database],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def made(network: Network, role: str, peer_id: str) -> str:
    """A new credential of this id; returns when central demands it."""
    result = credentials(network.central, "add", role, peer_id)
    assert result.returncode == 0, result.stderr
    secret = result.stdout.strip()
    assert len(secret) >= 40, "a credential that could be guessed"
    until = time.monotonic() + REVOKED_WITHIN
    for number in range(1, 255):
        # From addresses of its own: tries that come too early count as wrong ones.
        source = f"127.0.{random.randrange(1, 255)}.{number}"
        with Link(network.central.address, source=source) as link:
            demanded = is_let_in(link, role, peer_id, "wrong") is False
            if demanded and is_let_in(link, role, peer_id, secret):
                return secret
        assert time.monotonic() < until, f"{peer_id}'s credential does not count"
        time.sleep(0.05)
    raise AssertionError("tried in vain")


def authenticate(link: Link, role: str, peer_id: str, secret: str | None) -> Message:
    extra = {} if secret is None else {"credential": secret}
    return link.ask("auth_request", role=role, **{FIELD[role]: peer_id}, **extra)


def is_let_in(link: Link, role: str, peer_id: str, secret: str) -> bool | None:
    """None if the link was closed before the answer.

    As happens to those who stand there without a proof when central begins to demand one.
    """
    asked = link.send("auth_request", role=role, **{FIELD[role]: peer_id}, credential=secret)
    if not link.has(DEADLINE, message_id=asked):
        return None
    return link.answer_to(asked).get("status") == "success"


def let_in(link: Link, role: str, peer_id: str, secret: str) -> Message:
    answer = authenticate(link, role, peer_id, secret)
    assert (answer["type"], answer["status"]) == ("auth_response", "success"), answer
    return answer


def refused(answer: Message) -> str:
    assert (answer["type"], answer["status"]) == ("auth_response", "failure"), answer
    return str(answer["error"])


def a_monitor(network: Network) -> tuple[Monitor, str]:
    """A monitor that is let in, not yet registered, and its credential."""
    cp_id = new_id("CP")
    secret = made(network, "monitor", cp_id)
    monitor = network.unregistered(cp_id)
    let_in(monitor, "monitor", cp_id, secret)
    return monitor, secret


def a_driver(network: Network) -> tuple[Driver, str, Message]:
    """A driver that is let in, its credential, and what it was told."""
    driver = network.driver()
    secret = made(network, "driver", driver.driver_id)
    return driver, secret, let_in(driver, "driver", driver.driver_id, secret)


@pytest.fixture
def guarded(own: Network) -> Network:
    """A network whose central demands credentials, because one was made."""
    made(own, "admin", "first")
    own.hang_up()
    return own


def test_every_first_message_needs_a_proof(guarded: Network) -> None:
    """Whatever a stranger says first is refused `not_authenticated`, and has no effect."""
    first: list[tuple[str, dict[str, Any]]] = [
        ("register_request", {"cp_id": "CP-x"}),
        ("charge_request", {"cp_id": "CP-x", "driver_id": "D"}),
        ("stop_charging_request", {"cp_id": "CP-x", "session_id": "s"}),
        ("available_cps_request", {"driver_id": "D"}),
        ("charging_history_request", {"driver_id": "D"}),
        ("manual_command", {"command": "stop_cp", "cp_id": "*"}),
        ("points_request", {}),
        ("watch_request", {}),
        ("health_request", {}),
    ]
    for type_, fields in first:
        link = guarded.link()
        asked = link.send(type_, **fields)
        answer = link.answer_to(asked)
        assert (answer["type"], answer["error"]) == ("error_response", "not_authenticated"), type_


def test_a_stranger_is_closed_after_five_seconds(guarded: Network) -> None:
    """Refusals do not keep a link open: who does not say who it is in time is closed."""
    since = time.monotonic()
    link = guarded.link()
    while time.monotonic() - since < 3:
        assert link.ask("points_request")["error"] == "not_authenticated"
    link.wait_closed(since + 8 - time.monotonic())
    assert time.monotonic() - since >= 4.5


def test_a_wrong_credential_is_refused(guarded: Network) -> None:
    """No credential, another one, another id's, another role's: all the same to a stranger."""
    driver, secret, _ = a_driver(guarded)
    other = new_id("D")
    others = made(guarded, "driver", other)
    for role, peer_id, wrong in (
        ("driver", driver.driver_id, None),
        ("driver", driver.driver_id, "x" * 43),
        ("driver", driver.driver_id, others),
        ("monitor", driver.driver_id, secret),
        ("admin", driver.driver_id, secret),
        ("driver", new_id("nobody"), secret),
    ):
        link = guarded.link()
        assert refused(authenticate(link, role, peer_id, wrong)) == "not_authenticated"
        assert link.ask("points_request")["error"] == "not_authenticated"


def test_a_link_may_try_again(guarded: Network) -> None:
    """A wrong credential closes nothing: the right one may follow."""
    driver = guarded.driver()
    secret = made(guarded, "driver", driver.driver_id)
    assert refused(authenticate(driver, "driver", driver.driver_id, "wrong")) == "not_authenticated"
    let_in(driver, "driver", driver.driver_id, secret)
    assert driver.history() == []


def test_an_id_authenticates_only_itself(guarded: Network) -> None:
    """A driver that proved who it is speaks for no other; a monitor registers no other point."""
    monitor, _ = a_monitor(guarded)
    answer = monitor.ask("register_request", cp_id=new_id("CP"))
    assert (answer["status"], answer["error"]) == ("failure", "not_allowed")
    monitor.register()
    driver, _, _ = a_driver(guarded)
    other = new_id("D")
    for type_, fields in (
        ("charge_request", {"cp_id": monitor.cp_id}),
        ("charging_history_request", {}),
        ("available_cps_request", {}),
    ):
        answer = driver.ask(type_, driver_id=other, **fields)
        assert (answer["status"], answer["error"]) == ("failure", "not_allowed"), type_
    monitor.assert_no_command()
    assert driver.begin(monitor)


def test_an_authenticated_link_keeps_its_id(guarded: Network) -> None:
    """It may prove its id again, but not become another one."""
    driver, secret, _ = a_driver(guarded)
    other = new_id("D")
    others = made(guarded, "driver", other)
    assert refused(authenticate(driver, "driver", other, others)) == "not_allowed"
    let_in(driver, "driver", driver.driver_id, secret)


def test_a_revoked_credential_closes_its_links(guarded: Network) -> None:
    """Within a second, with the reason; the same credential opens nothing any more."""
    driver, secret, _ = a_driver(guarded)
    bystander, _, _ = a_driver(guarded)
    assert credentials(guarded.central, "revoke", "driver", driver.driver_id).returncode == 0
    driver.wait_closed(REVOKED_WITHIN)
    assert driver.inbox[-1]["error"] == "not_authenticated"
    again = guarded.link()
    assert refused(authenticate(again, "driver", driver.driver_id, secret)) == "not_authenticated"
    assert bystander.history() == []


def test_a_new_credential_takes_the_place_of_the_old(guarded: Network) -> None:
    """Adding one for an id that has one rotates it: the old one and its links are out."""
    monitor, old = a_monitor(guarded)
    monitor.register()
    new = made(guarded, "monitor", monitor.cp_id)
    monitor.wait_closed(REVOKED_WITHIN)
    link = guarded.link()
    assert refused(authenticate(link, "monitor", monitor.cp_id, old)) == "not_authenticated"
    let_in(link, "monitor", monitor.cp_id, new)


def test_the_first_credential_closes_those_without_one(own: Network) -> None:
    """A central that trusted everybody demands a proof from then on, also of who is there."""
    monitor, driver = own.monitor(), own.driver()
    assert driver.history() == []
    made(own, "admin", "first")
    monitor.wait_closed(REVOKED_WITHIN)
    driver.wait_closed(REVOKED_WITHIN)
    assert driver.inbox[-1]["error"] == "not_authenticated"


def test_credentials_are_demanded_after_a_restart_and_the_last_revocation(
    guarded: Network,
) -> None:
    """That nobody has a credential any more opens nothing."""
    assert credentials(guarded.central, "revoke", "admin", "first").returncode == 0
    guarded.hang_up()
    guarded.central.restart()
    assert guarded.link().ask("points_request")["error"] == "not_authenticated"


def test_a_monitor_with_a_credential_sets_no_price_and_no_time(guarded: Network) -> None:
    """Its proposal is not taken, and a simulation is refused."""
    monitor, _ = a_monitor(guarded)
    admin = guarded.link()
    let_in(admin, "admin", "second", made(guarded, "admin", "second"))
    fast = monitor.ask("register_request", cp_id=monitor.cp_id, time_scale=60)
    assert (fast["type"], fast["error"]) == ("register_response", "not_allowed")
    monitor.register(price_per_kwh=0.01)
    (row,) = admin.ask("points_request", search=monitor.cp_id)["points"]
    assert row["price_per_kwh"] == Decimal("0.35")


def signed(driver: Driver, key: bytes, content: Message) -> None:
    value = encode(content)
    proof = hmac.new(key, value, hashlib.sha256).hexdigest()
    driver.publisher.publish(REQUESTS, driver.driver_id, value, headers={"proof": proof})


def test_a_request_by_kafka_carries_a_proof(guarded: Network) -> None:
    """With the key of `auth_response`, which is the same after a restart of central."""
    monitor, monitors = a_monitor(guarded)
    monitor.register()
    driver, secret, told = a_driver(guarded)
    key = base64.b64decode(told["kafka_key"], validate=True)
    asked = driver.request(monitor.cp_id)
    signed(driver, key, asked)
    session_id = monitor.accept_start(driver_id=driver.driver_id)["session_id"]
    answer = guarded.events.wait(driver.driver_id, message_id=asked["message_id"])
    assert answer["status"] == "success"
    guarded.hang_up()
    guarded.central.restart()
    link = guarded.link()
    again = let_in(link, "driver", driver.driver_id, secret)
    assert again["kafka_key"] == told["kafka_key"]
    back = guarded.unregistered(monitor.cp_id)
    let_in(back, "monitor", monitor.cp_id, monitors)
    back.register()
    signed(driver, key, asked)
    repeated = guarded.events.wait(driver.driver_id, message_id=asked["message_id"], count=2)
    assert same_answer(repeated, answer)
    assert repeated["session_id"] == session_id


def test_a_record_without_the_right_proof_is_refused(guarded: Network) -> None:
    """None, a wrong one, another driver's, one for other content, a revoked driver's."""
    monitor, _ = a_monitor(guarded)
    monitor.register()
    driver, _, told = a_driver(guarded)
    _other, _, others = a_driver(guarded)
    key = base64.b64decode(told["kafka_key"])
    elsewhere = base64.b64decode(others["kafka_key"])
    assert key != elsewhere

    def answered(content: Message, proof: str | None) -> str:
        headers: dict[str, str | bytes | None] | None = None if proof is None else {"proof": proof}
        driver.publisher.publish(REQUESTS, driver.driver_id, encode(content), headers=headers)
        answer = guarded.events.wait(driver.driver_id, message_id=content["message_id"])
        return f"{answer['type']} {answer['error']}"

    def proof(content: Message, with_key: bytes) -> str:
        return hmac.new(with_key, encode(content), hashlib.sha256).hexdigest()

    asked = [driver.request(monitor.cp_id) for _ in range(5)]
    no = "error_response not_authenticated"
    assert answered(asked[0], None) == no
    assert answered(asked[1], "00" * 32) == no
    assert answered(asked[2], proof(asked[2], elsewhere)) == no
    assert answered(asked[3], proof(message("charge_request"), key)) == no
    assert credentials(guarded.central, "revoke", "driver", driver.driver_id).returncode == 0
    driver.wait_closed(REVOKED_WITHIN)
    assert answered(asked[4], proof(asked[4], key)) == no
    monitor.assert_no_command()


def test_too_many_wrong_credentials_silence_an_address(guarded: Network) -> None:
    """After ten in a minute, further ones are closed unanswered; who is in stays in."""
    driver, secret, _ = a_driver(guarded)
    for _ in range(10):
        assert refused(authenticate(guarded.link(), "driver", "D", "guess")) == "not_authenticated"
    for credential in ("guess", secret):
        link = guarded.link()
        link.send("auth_request", role="driver", driver_id=driver.driver_id, credential=credential)
        link.wait_closed(2)
        assert link.inbox == []
    assert driver.history() == []


def test_no_secret_is_logged(guarded: Network) -> None:
    """Neither the credential that was right, nor one that was wrong, nor a key for Kafka."""
    _driver, secret, told = a_driver(guarded)
    authenticate(guarded.link(), "driver", "D", "a-wrong-guess-of-somebody")
    assert guarded.central.stop() == 0
    log = guarded.central.log()
    assert "not authenticated" in log
    for text in (secret, told["kafka_key"], "a-wrong-guess-of-somebody"):
        assert text not in log
    database = (guarded.central.folder / "central.db").read_bytes()
    assert secret.encode() not in database
    guarded.central.start()


def test_a_driver_has_eight_links(own: Network) -> None:
    """The ninth takes the place of the oldest, which is told why; so with operators."""
    for role in ("driver", "admin"):
        peer_id = new_id(role)
        links = [own.link() for _ in range(9)]
        for link in links:
            authenticate(link, role, peer_id, None)
        links[0].wait_closed(2)
        assert links[0].inbox[-1]["error"] == "replaced"
        for link in links[1:]:
            assert link.is_open()
