"""The same request again and again, by every way: one effect, and always the same answer."""

from __future__ import annotations

from .peer import QUIET, Message, pack, same_answer
from .roles import Admin, Driver, Network


def assert_equal(answers: list[Message]) -> None:
    for answer in answers:
        assert same_answer(answers[0], answer), (answers[0], answer)


def answers_to(driver: Driver, asked: str, count: int) -> list[Message]:
    """Exactly so many answers, and no more soon after."""
    answers = [driver.answer_to(asked) for _ in range(count)]
    assert not driver.has(QUIET, message_id=asked)
    return answers


def test_five_times_one_after_the_other(network: Network) -> None:
    """One session, one command, five equal answers."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id, target_kwh=5.0)
    driver.post(content)
    monitor.accept_start()
    answers = [driver.answer_to(content["message_id"])]
    for _ in range(4):
        answers.append(driver.answer_to(driver.post(content)))
    assert answers[0]["status"] == "success"
    assert_equal(answers)
    monitor.assert_no_command()
    assert len(driver.history()) == 1


def test_five_times_at_once_on_one_link(network: Network) -> None:
    """Repeats join the first, which is in work; each copy is answered once."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    driver.write(pack(content) * 5)
    command = monitor.take(type="start_charging_command")
    monitor.assert_no_command()
    assert not driver.has(QUIET, message_id=content["message_id"])
    monitor.reply(command, session_id=command["session_id"])
    answers = answers_to(driver, content["message_id"], 5)
    assert answers[0]["status"] == "success"
    assert_equal(answers)
    assert len(driver.history()) == 1


def test_five_times_at_once_on_five_links(network: Network) -> None:
    """Each link it came by gets the answer once."""
    monitor, driver = network.monitor(), network.driver()
    links = [network.driver(driver.driver_id) for _ in range(5)]
    content = driver.request(monitor.cp_id)
    for link in links:
        link.post(content)
    monitor.accept_start()
    assert_equal([answers_to(link, content["message_id"], 1)[0] for link in links])
    monitor.assert_no_command()
    assert len(driver.history()) == 1


def test_by_tcp_and_kafka_at_once_and_afterwards(network: Network) -> None:
    """Ten copies by both ways: one session; each way gets its answers, all the same."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    asked = content["message_id"]
    driver.write(pack(content) * 3)
    driver.publish(content, content)
    command = monitor.take(type="start_charging_command")
    driver.publish(content)
    monitor.assert_no_command()
    monitor.reply(command, session_id=command["session_id"])
    answers = answers_to(driver, asked, 3)
    answers.append(network.events.wait(driver.driver_id, message_id=asked, count=3))
    driver.publish(content)
    driver.write(pack(content) * 3)
    answers += answers_to(driver, asked, 3)
    answers.append(network.events.wait(driver.driver_id, message_id=asked, count=4))
    by_kafka = network.events.of(driver.driver_id, message_id=asked)
    assert len(by_kafka) == 4
    assert_equal([without_envelope(answer) for answer in answers + by_kafka])
    monitor.assert_no_command()
    assert len(driver.history()) == 1


def without_envelope(answer: Message) -> Message:
    """The answer without what only published messages carry."""
    return {name: value for name, value in answer.items() if name != "epoch"}


def test_a_repeat_after_the_end_of_the_session_gets_the_old_answer(network: Network) -> None:
    """The answer is about the request, not about how things stand now."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    driver.post(content)
    session_id = monitor.accept_start()["session_id"]
    first = driver.answer_to(content["message_id"])
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")
    assert_equal([first, driver.answer_to(driver.post(content))])
    monitor.assert_no_command()


def test_a_new_timestamp_or_order_of_fields_is_the_same_content(network: Network) -> None:
    """When it was written does not make another request of it, nor how."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id, target_kwh=5.0)
    driver.post(content)
    monitor.accept_start()
    first = driver.answer_to(content["message_id"])
    later = {**dict(reversed(content.items())), "timestamp": content["timestamp"] + 20}
    assert_equal([first, driver.answer_to(driver.post(later))])
    monitor.assert_no_command()


def test_a_refusal_is_an_answer_too(network: Network, admin: Admin) -> None:
    """What was refused stays refused under that id; a new id is judged anew."""
    monitor, driver = network.unregistered(), network.driver()
    content = driver.request(monitor.cp_id)
    first = driver.answer_to(driver.post(content))
    assert first["error"] == "unknown_charge_point"
    monitor.register()
    admin.wait_row(monitor.cp_id, "Available")
    assert_equal([first, driver.answer_to(driver.post(content))])
    monitor.assert_no_command()
    driver.begin(monitor)


def test_an_engines_refusal_stays(network: Network) -> None:
    """`engine_refused` is stored: the engine is not asked again for that id."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    driver.post(content)
    command = monitor.take(type="start_charging_command")
    monitor.reply(command, "failure", error="engine_refused")
    first = driver.answer_to(content["message_id"])
    assert first["error"] == "engine_refused"
    assert_equal([first, driver.answer_to(driver.post(content))])
    monitor.assert_no_command()


def test_the_same_id_with_other_content_is_invalid(network: Network) -> None:
    """Another point, another target, another kind of request: error_response, and no effect."""
    monitor, elsewhere, driver = network.monitor(), network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    driver.post(content)
    session_id = monitor.accept_start()["session_id"]
    first = driver.answer_to(content["message_id"])
    for other in (
        {**content, "cp_id": elsewhere.cp_id},
        {**content, "target_kwh": 3.0},
        {**content, "connector_id": 1},
        {**content, "type": "stop_charging_request", "session_id": session_id},
    ):
        answer = driver.answer_to(driver.post(other))
        assert (answer["type"], answer["error"]) == ("error_response", "invalid_message"), other
    elsewhere.assert_no_command()
    monitor.assert_no_command("stop_charging_command")
    assert_equal([first, driver.answer_to(driver.post(content))])


def test_other_content_while_the_first_is_in_work(network: Network) -> None:
    """The first goes on undisturbed."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    asked = driver.post(content)
    command = monitor.take(type="start_charging_command")
    driver.post({**content, "target_kwh": 3.0})
    assert driver.take(type="error_response")["error"] == "invalid_message"
    monitor.reply(command, session_id=command["session_id"])
    assert driver.answer_to(asked)["status"] == "success"


def test_the_same_id_of_another_driver_is_another_request(network: Network) -> None:
    """Two drivers with one message_id are not mixed up, on one link or on two."""
    driver, other = network.driver(), network.driver()
    for link in (driver, other):
        one, two = network.monitor(), network.monitor()
        mine = driver.request(one.cp_id)
        theirs = {**mine, "cp_id": two.cp_id, "driver_id": other.driver_id}
        driver.post(mine)
        started = one.accept_start(driver_id=driver.driver_id)["session_id"]
        assert driver.answer_to(mine["message_id"])["session_id"] == started
        link.post(theirs)
        second = two.accept_start(driver_id=other.driver_id)["session_id"]
        assert link.answer_to(mine["message_id"])["session_id"] == second
        assert started != second
        for monitor, session_id, who in ((one, started, driver), (two, second, other)):
            monitor.ticket(session_id, 1.0)
            who.wait_session(session_id, "completed")


def test_the_same_id_at_a_busy_point_is_refused_by_its_own_right(network: Network) -> None:
    """Another driver's request with the same id for the same point: busy, not a repeat."""
    monitor, driver, other = network.monitor(), network.driver(), network.driver()
    content = driver.request(monitor.cp_id)
    driver.post(content)
    monitor.accept_start()
    driver.answer_to(content["message_id"])
    answer = other.answer_to(other.post({**content, "driver_id": other.driver_id}))
    assert (answer["status"], answer["error"]) == ("failure", "charge_point_busy")
    assert answer.get("session_id") is None


def test_a_stop_again_gets_the_same_answer(network: Network) -> None:
    """Five stops with one id: one command, five equal answers; other content is invalid."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    asked = driver.ask_stop(monitor.cp_id, session_id)
    for _ in range(4):
        driver.ask_stop(monitor.cp_id, session_id, message_id=asked)
    monitor.accept_stop(session_id)
    answers = answers_to(driver, asked, 5)
    assert answers[0]["status"] == "success"
    assert_equal(answers)
    monitor.assert_no_command("stop_charging_command")
    other = driver.answer_to(driver.ask_stop(monitor.cp_id, "S-other", message_id=asked))
    assert (other["type"], other["error"]) == ("error_response", "invalid_message")


def test_lists_are_answered_afresh(network: Network, admin: Admin) -> None:
    """The same id on a list asks again, from the present state, whatever its content."""
    driver = network.driver()
    fields = {"driver_id": driver.driver_id, "message_id": "once"}
    assert driver.ask("charging_history_request", **fields).get("sessions", []) == []
    driver.begin(network.monitor())
    assert len(driver.ask("charging_history_request", **fields)["sessions"]) == 1
    answer = driver.ask("charging_history_request", **{**fields, "driver_id": "D-other"})
    assert answer["type"] == "charging_history_response"


def test_a_request_at_the_points_menu_again(network: Network) -> None:
    """A monitor's charge_request is repeated like a driver's."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    monitor.write(pack(content) * 3)
    command = monitor.accept_start()
    answers = [monitor.answer_to(content["message_id"]) for _ in range(3)]
    assert answers[0]["session_id"] == command["session_id"]
    assert_equal(answers)
    monitor.assert_no_command()
