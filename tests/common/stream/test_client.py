"""What all clients of Kafka share."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from structlog.testing import capture_logs

from common.errors import CannotStart
from common.stream import KafkaSettings, KafkaUnreachable, NotDelivered
from common.stream.client import GUARANTEES, Health, made, sentence

REFUSED = KafkaError(KafkaError._TRANSPORT, "127.0.0.1:1/1: Connect failed: refused (after 0ms)")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


@pytest.mark.parametrize("key", sorted(GUARANTEES))
def test_what_we_promise_cannot_be_configured_away(key: str) -> None:
    """One sentence that names the setting and what would be lost."""
    with pytest.raises(CannotStart, match=f"^{key} cannot be set for Kafka: {GUARANTEES[key]}$"):
        KafkaSettings("127.0.0.1:1", {key: "0"})


def test_other_settings_override_ours() -> None:
    """The operator's file wins over defaults, and loses against what a client insists on."""
    settings = KafkaSettings("a:1", {"linger.ms": "50", "client.id": "mine"}, client_id="ours")
    config = settings.client_config({"linger.ms": 5, "x": 1}, {"acks": "all"})
    chosen = {key: config[key] for key in ("linger.ms", "x", "client.id", "acks")}
    assert chosen == {"linger.ms": "50", "x": 1, "client.id": "mine", "acks": "all"}
    assert config["bootstrap.servers"] == "a:1"


def test_a_setting_that_does_not_exist_is_said_in_one_sentence() -> None:
    """The person who wrote the file reads what librdkafka says about it."""
    settings = KafkaSettings("127.0.0.1:1", {"sasl.pasword": "secret"})
    sentence = '^Kafka\'s settings are wrong: No such configuration property: "sasl.pasword"$'
    with pytest.raises(CannotStart, match=sentence):
        made(Producer, settings.client_config({}, {}))


def test_settings_do_not_show_their_secrets() -> None:
    """Whoever logs them logs no password."""
    assert "hidden" not in repr(KafkaSettings("a:1", {"sasl.password": "hidden"}))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KafkaUnreachable("k:9092"), "Kafka at k:9092 does not answer"),
        (KafkaUnreachable("k:9092", "timed out"), "Kafka at k:9092 does not answer: timed out"),
        (NotDelivered("ev.t", "timed out"), "a record for ev.t was not delivered: timed out"),
    ],
)
def test_exceptions_say_it_in_a_sentence(error: Exception, text: str) -> None:
    """With the data that they carry."""
    assert str(error) == text


@pytest.mark.parametrize("error", [REFUSED, KafkaException(REFUSED)])
def test_a_sentence_has_no_milliseconds(error: KafkaError | KafkaException) -> None:
    """What librdkafka adds for itself is left out, so that equal errors read alike."""
    assert sentence(error) == "127.0.0.1:1/1: Connect failed: refused"


def test_a_change_of_health_is_one_line() -> None:
    """However often an error is heard, and with the cause, not its consequence."""
    health = Health("publisher")
    with capture_logs() as lines:
        for _ in range(3):
            health.heard(REFUSED)
            health.heard(ALL_DOWN)
            health.failed("timed out")
        assert not health.healthy
        assert health.last_error == "127.0.0.1:1/1: Connect failed: refused"
        health.answered()
        health.answered()
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "Kafka fails"),
        ("info", "Kafka answers"),
    ]
    assert health.healthy


def test_one_broken_connection_is_not_the_end() -> None:
    """Other brokers may answer, so health waits for more."""
    health = Health("publisher")
    health.answered()
    health.heard(REFUSED)
    assert health.healthy
    assert health.last_error == "127.0.0.1:1/1: Connect failed: refused"
