"""A file of id tags: CSV, its first line the names of the columns, as `IdTagRow` names them."""

import csv
import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from central.rules.id_tags import MAX_LENGTH, folded
from common.gateway_messages import IdTagRow

COLUMNS = IdTagRow.__struct_fields__

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read(lines: Iterable[str]) -> list[IdTagRow]:
    """The id tags of a file. What is left out, or empty, is as in `IdTagRow`.

    Raises:
        ValueError: It is no such file; the text names the line, and is a sentence.
    """
    reader = csv.DictReader(lines, skipinitialspace=True, strict=True)
    try:
        unknown = [name for name in reader.fieldnames or () if name not in COLUMNS]
        if unknown or "id_tag" not in (reader.fieldnames or ()):
            which = f"there is no column {unknown[0]!r}" if unknown else "no column is `id_tag`"
            raise ValueError(f"line 1: {which}; columns are {', '.join(COLUMNS)}")
        tags: dict[str, IdTagRow] = {}
        for row in reader:
            tag = _tag(row, reader.line_num)
            if folded(tag.id_tag) in tags:
                raise ValueError(f"line {reader.line_num}: {tag.id_tag} for the second time")
            tags[folded(tag.id_tag)] = tag
    except csv.Error as error:
        raise ValueError(f"line {reader.reader.line_num}: {error}") from None
    return list(tags.values())


def _tag(row: dict[str, str], line: int) -> IdTagRow:
    if None in row or None in row.values():
        raise ValueError(f"line {line}: it has not as many fields as the first line")
    try:
        said = {name: _value(name, text.strip()) for name, text in row.items() if text.strip()}
        return checked(msgspec.convert(said, IdTagRow))
    except ValueError as error:  # msgspec's errors are, too
        raise ValueError(f"line {line}: {error}") from None


def _value(name: str, text: str) -> object:
    if name == "blocked":
        if text.casefold() not in _WORDS:
            raise ValueError(f"{text!r} is neither yes nor no - at `$.blocked`")
        return _WORDS[text.casefold()]
    if name == "max_concurrent":
        return int(text) if re.fullmatch(r"\d{1,9}", text) else text
    return moment(text) if name == "expires_at" else text


def checked(tag: IdTagRow) -> IdTagRow:
    """The same, if it can be an id tag.

    Raises:
        ValueError: A value of it is wrong; the text says which.
    """
    for id_tag in (tag.id_tag, tag.parent_id_tag):
        if id_tag is not None and not (1 <= len(id_tag) <= MAX_LENGTH and id_tag.isprintable()):
            raise ValueError(f"{id_tag!r} is no id tag: 1 to {MAX_LENGTH} characters")
    return msgspec.convert(msgspec.to_builtins(tag), IdTagRow)


def moment(text: str) -> int:
    """The Unix second of an ISO 8601 date or time, of the local zone if it names none.

    Raises:
        ValueError: It is none; Unix seconds are taken as well.
    """
    if re.fullmatch(r"\d{9,12}", text):
        return int(text)
    try:
        return max(0, int(datetime.fromisoformat(text).astimezone().timestamp()))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no time: write 2030-12-31, 2030-12-31T08:30 or Unix seconds"
        ) from None
