"""The scalars of the protocol: each with its unit, its bounds and its meaning.

Energy, power, price and cost are JSON numbers on the wire and integers of a small unit in the
program: a `Quantity` is that integer, and knows how to become the number and back. No binary
float carries money past the decoder: the decoder hands the digits over as a `Decimal`, and the
number is written from the digits.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from msgspec import Meta


class Quantity(int):
    """A non-negative amount, held as an integer of its smallest unit.

    Attributes:
        unit: What one stands for on the wire.
        decimals: How many decimals the wire has; further ones are rounded half up.
        maximum: The largest number on the wire, included.
    """

    unit: ClassVar[str]
    decimals: ClassVar[int]
    maximum: ClassVar[int]
    _scale: ClassVar[int]
    _most: ClassVar[int]
    _form: ClassVar[bytes]

    def __init_subclass__(cls) -> None:
        cls._scale = 10**cls.decimals
        cls._most = cls.maximum * cls._scale
        cls._form = b"%%d.%%0%dd" % cls.decimals

    if TYPE_CHECKING:  # at run time it is int's own, which costs less

        def __new__(cls, smallest_units: int) -> Self: ...

    @classmethod
    def from_number(cls, number: object) -> Self:
        """The amount that a JSON number says.

        Args:
            number: An `int` or a `Decimal`, in `unit`s.

        Raises:
            ValueError: It is no number, or out of bounds; the text says which.
        """
        if isinstance(number, bool) or not isinstance(number, int | Decimal):
            raise ValueError(f"Expected `number`, got `{type(number).__name__}`")
        if not number >= 0:
            raise ValueError("Expected `number` >= 0")
        if number > cls.maximum:
            raise ValueError(f"Expected `number` <= {cls.maximum}")
        # quantize rounds once; scaleb would round to the context's 28 digits before.
        rounded = Decimal(number).quantize(Decimal(1).scaleb(-cls.decimals), ROUND_HALF_UP)
        return cls(int(rounded.scaleb(cls.decimals)))

    @classmethod
    def from_digits(cls, digits: str) -> Self:
        """The amount that a JSON number with a decimal point or an exponent says.

        Raises:
            ValueError: It is out of bounds; the text says which.
        """
        point = len(digits) - cls.decimals - 1
        if point > 0 and digits[point] == ".":
            # With all its decimals, as all our programs write it: four times as fast.
            all_digits = digits[:point] + digits[point + 1 :]
            if all_digits.isdecimal() and (amount := int(all_digits)) <= cls._most:
                return cls(amount)
        try:
            number = Decimal(digits)
        except InvalidOperation:  # an exponent beyond even Decimal's
            raise ValueError("Number out of range") from None
        return cls.from_number(number)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The amount that a person wrote, such as `0.35`.

        Raises:
            ValueError: It is no number, or out of bounds.
        """
        try:
            number = Decimal(text)
        except ArithmeticError:
            raise ValueError(f"Expected a number of {cls.unit}, got {text!r}") from None
        if not number.is_finite():
            raise ValueError(f"Expected a number of {cls.unit}, got {text!r}")
        return cls.from_number(number)

    def __str__(self) -> str:
        """The number with all its decimals, as people and the wire write it: `7.500`."""
        return self.as_json().decode()

    def as_json(self) -> bytes:
        """The JSON number."""
        return self._form % divmod(int(self), self._scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"


class Payload(dict[str, Any]):
    """The payload of an OCPP call or answer: a JSON object, as OCPP spells it."""

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """The payload that a decoded JSON value is.

        Raises:
            ValueError: It is no object.
        """
        if not isinstance(value, dict):
            raise ValueError("Expected `object`")
        return cls(value)


class WattHours(Quantity):
    """Energy in Wh; kWh with 3 decimals on the wire."""

    unit = "kWh"
    decimals = 3
    maximum = 100_000


class Watts(Quantity):
    """Power in W; kW with 3 decimals on the wire."""

    unit = "kW"
    decimals = 3
    maximum = 10_000


class Price(Quantity):
    """Price of a kWh in 1/10,000 of the currency unit; 4 decimals on the wire."""

    unit = "currency/kWh"
    decimals = 4
    maximum = 1_000


class Money(Quantity):
    """Cost in cents; 2 decimals of the currency unit on the wire."""

    unit = "currency"
    decimals = 2
    maximum = WattHours.maximum * Price.maximum


def cost(energy: WattHours, price: Price) -> Money:
    """What this energy costs at this price, rounded half up, once, to the cent."""
    # Wh x 1/10,000 of the unit per kWh is 1/10,000,000 of the unit: 100,000 of them are a cent.
    return Money((energy * price + 50_000) // 100_000)


def _text(description: str, *, at_least: int = 0, at_most: int) -> Meta:
    # No NUL: PostgreSQL stores none, and a bill must not fail for it.
    return Meta(
        pattern=rf"^[^\x00]{{{at_least},{at_most}}}\Z", description=f"{description} No NUL."
    )


def _id(description: str) -> Meta:
    return Meta(pattern=r"^[A-Za-z0-9_.-]{1,36}\Z", description=description)


MAX_ROWS = 200
"""The most rows that one answer may hold; further ones are on its next page."""

MAX_LISTED_SESSIONS = 100
"""The most sessions in a list of held, settled or unsettled ones; the rest follow later."""

MAX_CONNECTORS = 100
"""The most connectors of one charge point."""

ChargePointId = Annotated[str, _id("A charge point's id: letters, digits, `_ . -`.")]
ChargePointPattern = Annotated[
    str,
    Meta(pattern=r"^(\*|[A-Za-z0-9_.-]{1,36})\Z", description="A charge point's id, or `*`: all."),
]
DriverId = Annotated[str, _id("A driver's id tag: letters, digits, `_ . -`.")]
AdminId = Annotated[str, _id("An operator's id: letters, digits, `_ . -`.")]
MessageId = Annotated[
    str, _text("A UUID for a new message; an answer carries its request's.", at_least=1, at_most=64)
]
TraceId = Annotated[
    str,
    _text(
        "The `message_id` of the request that began it all; copied into all that follows.",
        at_least=1,
        at_most=64,
    ),
]
SessionId = Annotated[str, _text("One charge, from request to ticket.", at_least=1, at_most=64)]
ConnectorId = Annotated[
    int, Meta(ge=1, le=MAX_CONNECTORS, description="A connector of the point: 1, 2, …")
]
Epoch = Annotated[
    int, Meta(ge=0, lt=2**53, description="How often leadership of central has changed hands.")
]
Sequence = Annotated[int, Meta(ge=1, lt=2**53, description="1, 2, 3 … within a session.")]
Revision = Annotated[
    int, Meta(ge=1, lt=2**31, description="1 for the first ticket, 2 once it is corrected.")
]
MeterWattHours = Annotated[
    int, Meta(ge=0, lt=2**53, description="A connector's lifetime register in Wh.")
]
UnixSeconds = Annotated[int, Meta(ge=0, lt=2**40, description="Unix seconds.")]
Seconds = Annotated[int, Meta(ge=1, le=86_400, description="A duration in seconds.")]
Progress = Annotated[
    int, Meta(ge=0, le=100, description="Percent of the energy asked for, or of 50 kWh.")
]
TimeScale = Annotated[
    float, Meta(gt=0, le=100_000, description="Simulated seconds in a second; 1 is real time.")
]
Limit = Annotated[int, Meta(ge=0, le=MAX_ROWS, description="Rows on a page, 200 at most.")]
Count = Annotated[int, Meta(ge=0, lt=2**53, description="How many.")]
Cursor = Annotated[str, _text("Where a page begins: the previous answer's `next`.", at_most=150)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217 code.")]
Location = Annotated[str, _text("Where the point stands, for people.", at_most=100)]
Sentence = Annotated[str, _text("A sentence for people; no program reads it.", at_most=1000)]
StatusWord = Annotated[
    str,
    _text(
        "An engine's or an OCPP status word, in any case; others are a sign of life.", at_most=50
    ),
]
FaultType = Annotated[
    str,
    _text("An OCPP 1.6 error code, `EngineUnreachable` or `OtherError`.", at_least=1, at_most=50),
]
AuditedAct = Annotated[
    str,
    _text(
        "An operator's command; or what central itself did: `correct_ticket`, `dispute_ticket`.",
        at_least=1,
        at_most=50,
    ),
]
UnixMilliseconds = Annotated[int, Meta(ge=0, lt=2**53, description="Unix milliseconds.")]
IdTag = Annotated[str, _text("What a driver is known by at a charge point.", at_most=36)]
TransactionId = Annotated[
    int,
    Meta(
        ge=-(2**53),
        lt=2**53,
        description="A transaction at an OCPP charge point; -1: it was never told.",
    ),
]
ConnectorNumber = Annotated[
    int, Meta(ge=0, le=MAX_CONNECTORS, description="A connector: 1, 2, …; 0: the whole point.")
]
MeterRegister = Annotated[
    int,
    Meta(ge=-(2**53), lt=2**53, description="A meter's register in Wh, as the point says it."),
]
NodeId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z", description="A running gateway.")]
OcppAction = Annotated[
    str, Meta(pattern=r"^[A-Za-z]{1,50}\Z", description="An action, as OCPP spells it.")
]
OcppText = Annotated[str, _text("As the charge point wrote it.", at_most=500)]
SampledText = Annotated[str, _text("A number, or signed data.", at_most=65_535)]
FrameText = Annotated[
    str, _text("A frame as it went over the wire, each NUL as U+FFFD.", at_most=65_535)
]
Operator = Annotated[
    str, _text("An operator, or `central`, whose command it is.", at_least=1, at_most=64)
]
PasswordHash = Annotated[
    str, _text("A password's argon2 hash; never logged.", at_least=1, at_most=300)
]
Address = Annotated[str, _text("`HOST:PORT`.", at_least=1, at_most=300)]
Credential = Annotated[str, _text("A secret; never logged.", at_least=1, at_most=200)]
KafkaKey = Annotated[
    str,
    _text(
        "Base64 of the secret key with which a driver proves its records; never logged.",
        at_least=1,
        at_most=200,
    ),
]
