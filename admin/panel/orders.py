"""What the keys order: commands to central, and what became of them in a sentence."""

from collections.abc import Sequence

from admin import words
from admin.client import Client
from admin.commands import EVERY_POINT, ordered_at, together
from common.errors import ChargingError, Refused
from common.messages import CommandResult, ManualCommand, ManualCommandResponse, Outcome

DONE = {
    "stop_cp": "stopped",
    "resume_cp": "resumed",
    "stop_charging": "charge ended",
    "set_price": "price set",
}

LISTED = 5
"""Failures that are named in a notification."""


async def carry_out(
    client: Client, command: ManualCommand, cp_ids: Sequence[str]
) -> tuple[str, bool]:
    """Give a command to each of these points; what became of it, and whether all went well."""
    try:
        answers = await ordered_at(client, command, cp_ids)
    except Refused as no:
        return f"{command.command}: {words.refusal(no.reason, no.text)}", False
    except ChargingError as error:
        return f"{command.command}: {error}", False
    answer = together(answers)
    return sentence(command, cp_ids, answer), answer.status is Outcome.SUCCESS


def sentence(command: ManualCommand, cp_ids: Sequence[str], answer: ManualCommandResponse) -> str:
    """What became of a command."""
    done = DONE.get(command.command, command.command)
    one = cp_ids[0] if len(cp_ids) == 1 and cp_ids[0] != EVERY_POINT else None
    failures = [result for result in answer.results if result.status is Outcome.FAILURE]
    if one is not None and not failures:
        stored = any(not result.applied for result in answer.results)
        return f"{one}: {done}" + (", once it can be reached" if stored else "")
    if one is not None:
        return _failure(failures[0])
    text = f"{answer.succeeded} {done}"
    if answer.failed:
        text += f", {answer.failed} failed: " + "; ".join(map(_failure, failures[:LISTED]))
        text += " …" if answer.failed > LISTED else ""
    return text


def _failure(result: CommandResult) -> str:
    why = words.refusal(result.error) if result.error else "failed"
    return f"{result.cp_id}: {why}"
