"""`ev-driver` at a terminal: the live view, Ctrl-C, and the interactive app."""

import signal
from pathlib import Path

from common.messages import ChargeRequest, ChargingHistoryRequest, StopChargingRequest
from common.states import EndReason, SessionState
from tests.driver.central import PlayedCentral, row
from tests.driver.run import ended, options, start, terminal

QUESTION = "Stop the charge? [y/N]"


# -- The live view, and Ctrl-C --


async def test_ctrl_c_and_yes_stops_the_charge(central: PlayedCentral, tmp_path: Path) -> None:
    """The charge is stopped, and its ticket waited for."""
    central.lasting = True
    async with terminal(*options(central, tmp_path), "charge", "CP-1", "--kwh", "4") as person:
        await person.expect("of 4.000 kWh")
        await person.expect("Ctrl-C: stop the charge, or leave it")
        person.ctrl_c()
        await person.expect(QUESTION)
        person.type("y")
        await person.expect("Ticket")
        await person.expect("you stopped it")
        assert await person.ended() == 0
    assert len(central.all(StopChargingRequest)) == 1


async def test_ctrl_c_and_no_leaves_the_charge(central: PlayedCentral, tmp_path: Path) -> None:
    """The charge goes on, which is said, and the exit code is 130."""
    central.lasting = True
    async with terminal(*options(central, tmp_path), "charge", "CP-1") as person:
        await person.expect("of a usual charge")
        person.ctrl_c()
        await person.expect(QUESTION)
        person.type("")
        await person.expect("the charge at CP-1 goes on")
        assert await person.ended() == 130
    assert central.all(StopChargingRequest) == []


async def test_a_second_ctrl_c_leaves_the_charge(central: PlayedCentral, tmp_path: Path) -> None:
    """Who does not answer the question leaves."""
    central.lasting = True
    async with terminal(*options(central, tmp_path), "charge", "CP-1") as person:
        await person.expect("of a usual charge")
        person.ctrl_c()
        await person.expect(QUESTION)
        person.ctrl_c()
        await person.expect("the charge at CP-1 goes on")
        assert await person.ended() == 130
    assert central.all(StopChargingRequest) == []


async def test_a_charge_that_ends_answers_the_question(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """The ticket comes while the question stands: it is shown, and nothing is stopped."""
    central.lasting = True
    async with terminal(*options(central, tmp_path), "charge", "CP-1") as person:
        await person.expect("of a usual charge")
        person.ctrl_c()
        await person.expect(QUESTION)
        central.end("S-1", EndReason.TARGET_REACHED)
        await person.expect("Ticket")
        assert await person.ended() == 0
    assert central.all(StopChargingRequest) == []


async def test_ctrl_c_before_the_answer_leaves(central: PlayedCentral, tmp_path: Path) -> None:
    """There is nothing to stop yet; the same command repeats the request."""
    central.handle(ChargeRequest, lambda _: None)
    async with terminal(*options(central, tmp_path), "charge", "CP-1") as person:
        await central.until(ChargeRequest)
        person.ctrl_c()
        await person.expect("left before CENTRAL answered")
        assert await person.ended() == 130


async def test_the_live_view_says_that_central_is_gone(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """The picture stays, with what is wrong below it, and goes on when central is back."""
    central.lasting = True
    async with terminal(*options(central, tmp_path), "charge", "CP-1") as person:
        await person.expect("of a usual charge")
        await central.close()
        await person.expect(f"cannot reach CENTRAL at {central.address}")
        central.end("S-1", EndReason.TARGET_REACHED)
        await central.open()
        await person.expect("Ticket")
        assert await person.ended() == 0


# -- The interactive app --


async def test_the_menu(central: PlayedCentral, tmp_path: Path) -> None:
    """Available points, a charge to its ticket, the history, and out again."""
    async with terminal(*options(central, tmp_path)) as person:
        await person.expect("driver D-1")
        await person.expect("connected to CENTRAL")
        await person.expect("> ")
        person.type("a")
        await person.expect("Main street 1")
        await person.expect("> ")
        person.type("charge")
        await person.expect("Charge point: ")
        person.type("CP-1")
        await person.expect("kWh")
        person.type("2")
        await person.expect("Ticket")
        await person.expect("0.70 EUR")
        await person.expect("> ")
        person.type("h")
        await person.expect("in all")
        await person.expect("> ")
        person.type("q")
        assert await person.ended() == 0


async def test_the_menu_stops_a_charge(central: PlayedCentral, tmp_path: Path) -> None:
    """A charge that was left is watched again, and stopped, from the menu."""
    central.lasting = True
    async with terminal(*options(central, tmp_path)) as person:
        await person.expect("> ")
        person.type("c")
        await person.expect("Charge point: ")
        person.type("CP-1")
        await person.expect("kWh")
        person.type("")
        await person.expect("of a usual charge")
        person.ctrl_c()
        await person.expect(QUESTION)
        person.type("n")
        await person.expect("the charge at CP-1 goes on")
        await person.expect("> ")
        person.type("s")
        await person.expect("you stopped it")
        await person.expect("> ")
        person.type("s")
        await person.expect("no charge is running")
        await person.expect("> ")
        person.ctrl_c()
        assert await person.ended() == 0


async def test_what_is_typed_wrong_is_said(central: PlayedCentral, tmp_path: Path) -> None:
    """Nothing is sent for an id or an amount that is none."""
    async with terminal(*options(central, tmp_path)) as person:
        await person.expect("> ")
        person.type("c")
        await person.expect("Charge point: ")
        person.type("CP 1")
        await person.expect("'CP 1' is no charge point's id")
        await person.expect("> ")
        person.type("c")
        await person.expect("Charge point: ")
        person.type("CP-1")
        await person.expect("kWh")
        person.type("lots")
        await person.expect("Expected a number of kWh")
        await person.expect("> ")
        person.type("quit")
        assert await person.ended() == 0
    assert central.all(ChargeRequest) == []


async def test_it_begins_with_the_running_charge(central: PlayedCentral, tmp_path: Path) -> None:
    """A charge that runs, from wherever it began, is shown at once."""
    central.lasting = True
    central.sessions = [row("S-5", "CP-5", SessionState.CHARGING)]
    async with terminal(*options(central, tmp_path)) as person:
        await person.expect("CP-5")
        central.end("S-5", EndReason.UNPLUGGED)
        await person.expect("the car was unplugged")
        await person.expect("> ")


async def test_it_begins_with_what_a_crash_cut_short(
    central: PlayedCentral, tmp_path: Path
) -> None:
    """It asks whether to go on with it, and repeats the request under its id."""
    central.lasting = True
    running = await start(*options(central, tmp_path), "charge", "CP-1")
    await central.until(ChargingHistoryRequest)
    running.send_signal(signal.SIGKILL)
    await ended(running)
    central.end("S-1", EndReason.TARGET_REACHED)
    async with terminal(*options(central, tmp_path)) as person:
        await person.expect("Go on with it? [Y/n]")
        person.type("")
        await person.expect("Ticket")
        await person.expect("> ")
    assert len({m.message_id for m in central.all(ChargeRequest)}) == 1


async def test_the_menu_without_central(absent: PlayedCentral, tmp_path: Path) -> None:
    """It says that it cannot reach central, and notices when it can."""
    async with terminal(*options(absent, tmp_path)) as person:
        await person.expect(f"cannot reach CENTRAL at {absent.address}")
        await person.expect("> ")
        await absent.open()
        await person.expect("connected to CENTRAL again")
        person.type("a")
        await person.expect("Main street 1")
