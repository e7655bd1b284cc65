"""Every metric of every program. The page `docs/metrics.md` is written from this table.

Units are in the names, and are base units: seconds, watts, watt-hours, bytes. Money is counted in
the smallest unit of the bill, so that no sum of it is ever rounded.
"""

from common.metrics.metric import Metric

ALL = ("central", "engine", "monitor", "driver", "gateway")
LINKED = ("central", "engine", "monitor", "driver")
KAFKA = ("central", "monitor", "gateway")
CENTRAL = ("central",)
ENGINE = ("engine",)
MONITOR = ("monitor",)
GATEWAY = ("gateway",)

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
    "ev_requests_in_work", "gauge", "Handlers that have begun and wait for something.", LINKED
)

# -- Links --

LINKS = Metric(
    "ev_links",
    "gauge",
    "TCP links that are open, by the role at the other end; `unknown` has not said it yet.",
    LINKED,
    ("peer",),
)
LINKS_ENDED = Metric(
    "ev_links_ended_total",
    "counter",
    "TCP links that have ended: `peer` and `us` closed them, `lost` broke, `silent` said nothing"
    " any more, `unidentified` did not say who it is, `slow_reader` did not read, `bad_frames`"
    " does not speak this protocol.",
    LINKED,
    ("peer", "cause"),
)
MESSAGES = Metric(
    "ev_messages_total",
    "counter",
    "Messages over TCP, `received` and understood, or `sent`. From an `unknown` peer only"
    " `auth_request` is taken.",
    LINKED,
    ("type", "direction", "peer"),
)
BAD_FRAMES = Metric(
    "ev_bad_messages_total",
    "counter",
    "What came over TCP and was not taken: frames that are none, messages that are none or that"
    " this peer may not send.",
    LINKED,
    ("reason", "peer"),
)
REFUSALS = Metric(
    "ev_refusals_total",
    "counter",
    "Requests over TCP that were refused: `given` by this program, `got` by it.",
    LINKED,
    ("reason", "peer", "side"),
)
UNANSWERED = Metric(
    "ev_requests_unanswered_total",
    "counter",
    "Requests of this program whose deadline passed, or whose link went, before an answer.",
    LINKED,
    ("type", "peer"),
)
REQUEST_SECONDS = Metric(
    "ev_request_seconds",
    "histogram",
    "Seconds from a request to its answer over TCP. `asked`: until a request of this program was"
    " answered. `answered`: until it answered one that had to wait for something, such as the"
    " database; the others are answered at once.",
    LINKED,
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
OCPP_POINTS = Metric(
    "ev_ocpp_points",
    "gauge",
    "Charge points that are connected to a gateway, as central knows it.",
    CENTRAL,
)
OCPP_GATEWAYS = Metric(
    "ev_ocpp_gateways", "gauge", "Gateways that hold a connection, as central knows it.", CENTRAL
)
OCPP_SAMPLES = Metric(
    "ev_ocpp_samples_total",
    "counter",
    "Sampled values that OCPP charge points sent, repeats too.",
    CENTRAL,
)
OCPP_UNSAVED = Metric(
    "ev_ocpp_unsaved_changes",
    "gauge",
    "What gateways said and is not stored yet; Kafka still has it.",
    CENTRAL,
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
OCPP_COMMANDS = Metric(
    "ev_ocpp_commands_total",
    "counter",
    "Calls to charge points that speak OCPP, central's own too, by what became of them. One that"
    " was `unknown` or `timed_out`, and was answered all the same, counts as both.",
    CENTRAL,
    ("state",),
)
OCPP_COMMANDS_OPEN = Metric(
    "ev_ocpp_commands_open",
    "gauge",
    "Calls to charge points that wait for their connection or their answer.",
    CENTRAL,
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

# -- The gateway --

GATEWAY_CONNECTIONS = Metric(
    "ev_gateway_connections", "gauge", "Charge points that are connected.", GATEWAY
)
GATEWAY_ADMITTED = Metric(
    "ev_gateway_openings_total",
    "counter",
    "Requests of charge points for a WebSocket, by the HTTP status of the answer: 101 is let in.",
    GATEWAY,
    ("status",),
)
GATEWAY_ENDED = Metric(
    "ev_gateway_disconnections_total",
    "counter",
    "Connections that have ended: the `peer` closed it or it broke; it was `replaced` by a newer"
    " one of its charge point; its credential was `revoked`; the peer was `silent`, or a"
    " `slow_reader`; what came was no WebSocket with text of a bearable length (`bad_socket`); this"
    " gateway stopped (`drained`), or `failed`.",
    GATEWAY,
    ("cause",),
)
GATEWAY_HEARTBEATS = Metric(
    "ev_gateway_heartbeats_total", "counter", "Heartbeats, answered at once.", GATEWAY
)
GATEWAY_CALLS = Metric(
    "ev_gateway_calls_total",
    "counter",
    "Calls of charge points other than those heartbeats; `unknown` for what is no action.",
    GATEWAY,
    ("action",),
)
GATEWAY_CALL_SECONDS = Metric(
    "ev_gateway_call_seconds",
    "histogram",
    "Seconds until such a call was answered: what Kafka and, for some, central took.",
    GATEWAY,
    ("action",),
)
GATEWAY_CALL_ERRORS = Metric(
    "ev_gateway_call_errors_total",
    "counter",
    "Calls of charge points that were answered with a CALLERROR. `InternalError`: mostly that"
    " central did not answer in time.",
    GATEWAY,
    ("code",),
)
GATEWAY_UNANSWERED = Metric(
    "ev_gateway_unanswered_calls", "gauge", "Calls of charge points that wait.", GATEWAY
)
GATEWAY_ASIDE = Metric(
    "ev_gateway_calls_aside",
    "gauge",
    "Calls that were put aside because too much waits for Kafka or central; their sockets are not"
    " read meanwhile.",
    GATEWAY,
)
GATEWAY_BAD_FRAMES = Metric(
    "ev_gateway_bad_frames_total",
    "counter",
    "What charge points sent that is no frame of OCPP-J, by what is wrong with it.",
    GATEWAY,
    ("fault",),
)
GATEWAY_STRAYS = Metric(
    "ev_gateway_stray_answers_total",
    "counter",
    "Answers of charge points to calls that nobody made, or that were given up.",
    GATEWAY,
)
GATEWAY_FAULTS = Metric(
    "ev_gateway_tolerated_faults_total",
    "counter",
    "What lenient charge points (`--lenient`) did that the schemas forbid.",
    GATEWAY,
    ("fault",),
)
GATEWAY_DROPPED = Metric(
    "ev_gateway_dropped_records_total",
    "counter",
    "Records of central's that were dropped: an answer came `late`, a record was for a connection"
    " that is not here (`misdirected`), came from a central that leads no more (`deposed`), or is"
    " `unreadable`.",
    GATEWAY,
    ("reason",),
)
GATEWAY_COMMANDS = Metric(
    "ev_gateway_commands_total",
    "counter",
    "Commands of central's by what became of them.",
    GATEWAY,
    ("outcome",),
)
GATEWAY_COMMAND_SECONDS = Metric(
    "ev_gateway_command_seconds",
    "histogram",
    "Seconds from a command's arrival to the charge point's answer.",
    GATEWAY,
    ("action",),
)
GATEWAY_FRAMES = Metric(
    "ev_gateway_frames_total",
    "counter",
    "Frames that were `published` for inspection, or `dropped` because Kafka did not keep up.",
    GATEWAY,
    ("outcome",),
)
GATEWAY_REGISTRY_UP = Metric(
    "ev_gateway_registry_up",
    "gauge",
    "1 while Redis answers and this gateway has its partition; always 1 without Redis.",
    GATEWAY,
)
GATEWAY_REGISTRY = Metric(
    "ev_gateway_registry_events_total",
    "counter",
    "Connections that were `taken`, some of them with an epoch `by_clock` because Redis did not"
    " answer, or `replaced` at another gateway; that `moved` there; renewals (`renewed`), and those"
    " of them that were missing in Redis (`entered`); `outages` of Redis; `leases_lost`.",
    GATEWAY,
    ("event",),
)

METRICS: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""All of them, in the order in which they stand here."""
