"""Every metric of every program. The page `docs/metrics.md` is written from this table.

Units are in the names, and are base units: seconds, watts, watt-hours, bytes. Money is counted in
the smallest unit of the bill, so that no sum of it is ever rounded.
"""

from common.metrics.metric import Metric

ALL = ("central", "engine", "monitor", "driver")
KAFKA = ("central", "monitor")
CENTRAL = ("central",)
ENGINE = ("engine",)
MONITOR = ("monitor",)

# -- The program itself --

BUILD = Metric(
    "ev_build_info", "gauge", "Always 1; which program this is.", ALL, ("program", "version")
)
READY = Metric("ev_ready", "gauge", "1 while `/readyz` says yes.", ALL)
LOOP_LAG = Metric(
    "ev_event_loop_lag_seconds",
    "histogram",
    "How much later than due the event loop came back to a timer, four times a second. What is"
    " answered at once is answered this late.",
    ALL,
)
LOOP_SILENCE = Metric(
    "ev_event_loop_silence_seconds",
    "gauge",
    "Seconds since the event loop last turned; `/healthz` says no from 3.",
    ALL,
)
IN_WORK = Metric(
    "ev_requests_in_work", "gauge", "Handlers that have begun and wait for something.", ALL
)

# -- Links --

LINKS = Metric(
    "ev_links",
    "gauge",
    "TCP links that are open, by the role at the other end; `unknown` has not said it yet.",
    ALL,
    ("peer",),
)
LINKS_ENDED = Metric(
    "ev_links_ended_total",
    "counter",
    "TCP links that have ended: `peer` and `us` closed them, `lost` broke, `silent` said nothing"
    " any more, `unidentified` did not say who it is, `slow_reader` did not read, `bad_frames`"
    " does not speak this protocol.",
    ALL,
    ("peer", "cause"),
)
MESSAGES = Metric(
    "ev_messages_total",
    "counter",
    "Messages over TCP, `received` and understood, or `sent`. From an `unknown` peer only"
    " `auth_request` is taken.",
    ALL,
    ("type", "direction", "peer"),
)
BAD_FRAMES = Metric(
    "ev_bad_messages_total",
    "counter",
    "What came over TCP and was not taken: frames that are none, messages that are none or that"
    " this peer may not send.",
    ALL,
    ("reason", "peer"),
)
REFUSALS = Metric(
    "ev_refusals_total",
    "counter",
    "Requests over TCP that were refused: `given` by this program, `got` by it.",
    ALL,
    ("reason", "peer", "side"),
)
UNANSWERED = Metric(
    "ev_requests_unanswered_total",
    "counter",
    "Requests of this program whose deadline passed, or whose link went, before an answer.",
    ALL,
    ("type", "peer"),
)
REQUEST_SECONDS = Metric(
    "ev_request_seconds",
    "histogram",
    "Seconds from a request to its answer over TCP. `asked`: until a request of this program was"
    " answered. `answered`: until it answered one that had to wait for something, such as the"
    " database; the others are answered at once.",
    ALL,
    ("type", "peer", "side"),
)

# -- Kafka --

KAFKA_UP = Metric(
    "ev_kafka_up", "gauge", "1 while Kafka answers what publishes, and has its topics.", KAFKA
)
KAFKA_QUEUE = Metric(
    "ev_kafka_queue_records", "gauge", "Records published and not yet acknowledged.", KAFKA
)
KAFKA_PUBLISHED = Metric(
    "ev_kafka_published_records_total",
    "counter",
    "Records that were `acknowledged`, `failed` for good, or `refused` because too many waited.",
    KAFKA,
    ("outcome",),
)
KAFKA_LAG = Metric(
    "ev_kafka_lag_records",
    "gauge",
    "Records in a topic that are yet to be read.",
    CENTRAL,
    ("topic",),
)
KAFKA_READ = Metric(
    "ev_kafka_read_records_total", "counter", "Records that were read.", CENTRAL, ("topic",)
)
DEAD = Metric(
    "ev_dead_records_total",
    "counter",
    "Records that could not be applied, by the topic that they came by; they are set aside on"
    " `ev.dead`, with the reason.",
    CENTRAL,
    ("topic",),
)
DEAD_WAITING = Metric(
    "ev_dead_waiting_records",
    "gauge",
    "Records that could not be applied, and that `ev.dead` has not taken yet.",
    CENTRAL,
)
DEAD_LEFT = Metric(
    "ev_dead_left_records_total",
    "counter",
    "Of the records that could not be applied, those left in their topic because too many waited"
    " for `ev.dead`; central's next start finds them again.",
    CENTRAL,
)
LIVE_DROPPED = Metric(
    "ev_live_records_dropped_total",
    "counter",
    "Records of live data that were not published because Kafka did not keep up. Nothing that is"
    " billed is among them.",
    CENTRAL,
)
OUTBOX = Metric(
    "ev_outbox_entries",
    "gauge",
    "Tickets and changes of state that wait in memory to be published to drivers.",
    CENTRAL,
)

# -- Charge points and sessions --

POINTS = Metric(
    "ev_charge_points",
    "gauge",
    "Charge points that have ever registered, by status.",
    CENTRAL,
    ("status",),
)
POWER = Metric("ev_power_watts", "gauge", "Power of all charges, by the latest readings.", CENTRAL)
SESSIONS = Metric(
    "ev_sessions",
    "gauge",
    "Sessions whose engine's last word is still to come, by state. In the state `failed` are"
    " cancelled starts that the engine has not confirmed.",
    CENTRAL,
    ("state",),
)
UNSETTLED_SECONDS = Metric(
    "ev_tickets_unsettled_oldest_seconds",
    "gauge",
    "For how long the session that has been `finishing` for longest has waited for its ticket, by"
    " the wall's clock; 0 without one.",
    CENTRAL,
)
STARTED = Metric(
    "ev_sessions_started_total", "counter", "Sessions that were authorised and stored.", CENTRAL
)
ENDED = Metric(
    "ev_sessions_ended_total",
    "counter",
    "Sessions that were completed or failed, by the reason for their end; `refused` for a start"
    " that the engine refused, or that gives no reason. One that failed, and got a ticket all the"
    " same, counts as both.",
    CENTRAL,
    ("state", "reason"),
)
TICKETS = Metric("ev_tickets_total", "counter", "Tickets that were committed.", CENTRAL)
ENERGY = Metric("ev_billed_energy_watthours_total", "counter", "Energy on these tickets.", CENTRAL)
REVENUE = Metric(
    "ev_billed_money_cents_total",
    "counter",
    "Money on these tickets, in hundredths of the currency.",
    CENTRAL,
    ("currency",),
)

# -- The database --

COMMIT_SECONDS = Metric(
    "ev_database_commit_seconds", "histogram", "Seconds that a transaction took.", CENTRAL
)
COMMIT_CALLERS = Metric(
    "ev_database_commit_callers",
    "histogram",
    "How many callers' changes a transaction wrote together.",
    CENTRAL,
)
DATABASE_UP = Metric(
    "ev_database_up", "gauge", "1 if the latest write to the database succeeded.", CENTRAL
)
EPOCH = Metric(
    "ev_epoch", "gauge", "How often a central was started on the database, as of this one.", CENTRAL
)
LEADER = Metric("ev_leader", "gauge", "1 until a later start has taken the database over.", CENTRAL)

# -- Operators and credentials --

COMMANDS = Metric(
    "ev_operator_commands_total",
    "counter",
    "Commands of operators that were carried out or refused, repeats not counted.",
    CENTRAL,
    ("command", "outcome"),
)
FAILED_AUTH = Metric(
    "ev_failed_authentications_total",
    "counter",
    "Credentials that were wrong, by the role that was claimed.",
    CENTRAL,
    ("role",),
)
CREDENTIALS = Metric("ev_credentials", "gauge", "Credentials that are in force.", CENTRAL)

# -- The engine --

REGISTER = Metric(
    "ev_engine_register_watthours_total",
    "counter",
    "The lifetime registers of all connectors together; it goes on after a restart.",
    ENGINE,
)
CONNECTORS = Metric("ev_engine_connectors", "gauge", "Connectors by status.", ENGINE, ("status",))
ENGINE_READINGS = Metric(
    "ev_engine_readings_total", "counter", "Readings that were journaled.", ENGINE
)
JOURNAL_LIMIT = Metric(
    "ev_engine_journal_limit_bytes", "gauge", "What the journal may have.", ENGINE
)
JOURNAL_FULL = Metric(
    "ev_engine_journal_full",
    "gauge",
    "1 while nothing is supplied because the journal is full of tickets that are not settled.",
    ENGINE,
)
HELD = Metric(
    "ev_engine_held_tickets",
    "gauge",
    "Tickets in the journal that are not settled; 100 at most are counted.",
    ENGINE,
)
JOURNAL_BYTES = Metric("ev_engine_journal_bytes", "gauge", "Size of the journal.", ENGINE)
JOURNAL_UP = Metric("ev_engine_journal_up", "gauge", "1 while the journal can be written.", ENGINE)
ENGINE_MONITORED = Metric("ev_engine_monitored", "gauge", "1 while its monitor is linked.", ENGINE)

# -- The monitor --

BUFFERED = Metric(
    "ev_monitor_buffered_records",
    "gauge",
    "Readings and tickets from the engine that Kafka has not acknowledged.",
    MONITOR,
)
DROPPED = Metric(
    "ev_monitor_dropped_readings_total",
    "counter",
    "Readings that were dropped, the oldest first, because too many waited for Kafka. Readings are"
    " cumulative: nothing is billed wrongly by it.",
    MONITOR,
)
ENGINE_UP = Metric("ev_monitor_engine_up", "gauge", "1 while the engine answers.", MONITOR)
ENGINE_FAULT = Metric(
    "ev_monitor_engine_faulted", "gauge", "1 while the charge point has a fault.", MONITOR
)
REGISTERED = Metric(
    "ev_monitor_registered", "gauge", "1 while it is registered with central.", MONITOR
)

METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""All of them, in the order in which they stand here."""
