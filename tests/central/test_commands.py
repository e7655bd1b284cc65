"""`ev-central migrate` and `ev-central credentials`, as an operator types them."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from central.__main__ import main
from central.credentials import matches
from central.store.credentials import listed


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'central.db'}"


def typed(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code, result.output
    return result


def test_a_credential_is_shown_once_and_alone_on_stdout(database: str) -> None:
    """So that it can go to a file; what is stored is a hash of it."""
    result = typed("credentials", "add", "monitor", "ALC-1", "--database", database)
    secret = result.stdout.strip()
    assert len(secret) == 43
    assert "not shown again" in result.stderr
    (stored,) = listed(database)
    assert stored.hash.startswith("$argon2id$")
    assert matches(stored.hash, secret)
    assert not matches(stored.hash, secret + "x")
    assert secret not in typed("credentials", "list", "--database", database).output


def test_a_charge_points_password_fits_what_ocpp_allows(database: str) -> None:
    """40 hexadecimal digits, as the longest AuthorizationKey."""
    words = ("credentials", "add", "charge_point", "CP-1", "--database", database)
    secret = typed(*words).stdout.strip()
    assert re.fullmatch("[0-9a-f]{40}", secret)
    (known,) = listed(database)
    assert (known.role, known.id) == ("charge_point", "CP-1")
    assert matches(known.hash, secret)


def test_a_charge_point_may_keep_a_password_of_its_own(database: str) -> None:
    """Read from stdin, where other users do not see it, and not shown."""
    words = ("credentials", "add", "charge_point", "CP-1", "--password-stdin")
    result = CliRunner().invoke(main, [*words, "--database", database], input="0123456789abcdef\n")
    assert (result.exit_code, result.stdout) == (0, "")
    (known,) = listed(database)
    assert matches(known.hash, "0123456789abcdef")


@pytest.mark.parametrize("password", ["", "0123456789abcde", "x" * 41, "with spaces inside it"])
def test_a_password_that_ocpp_does_not_allow_is_refused(database: str, password: str) -> None:
    words = ("credentials", "add", "charge_point", "CP-1", "--password-stdin")
    result = CliRunner().invoke(main, [*words, "--database", database], input=f"{password}\n")
    assert result.exit_code == 1
    assert "16 to 40 characters" in result.stderr
    assert listed(database) == []


def test_the_database_may_stand_before_the_command(database: str) -> None:
    typed("--database", database, "credentials", "add", "driver", "D-1")
    assert [c.id for c in listed(database)] == ["D-1"]


def test_what_was_made_and_revoked_is_listed(database: str) -> None:
    """Each with its times; rotated ones too."""
    for words in (("add", "admin", "ana"), ("add", "admin", "ana"), ("revoke", "admin", "ana")):
        typed("credentials", *words, "--database", database)
    out = typed("credentials", "list", "--json", "--database", database).stdout
    rows = json.loads(out)["credentials"]
    assert [(row["role"], row["id"]) for row in rows] == [("admin", "ana")] * 2
    assert all(row["revoked_at"] for row in rows)
    assert "nobody has" not in typed("credentials", "list", "--database", database).output


def test_an_empty_list_says_what_that_means(database: str) -> None:
    out = typed("credentials", "list", "--database", database).stdout
    assert "nobody has a credential" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("revoke", "driver", "nobody"), 1, "driver nobody has no credential"),
        (("add", "engine", "E"), 2, "'engine' is not one of"),
        (("add", "driver", "no id"), 2, "is no id"),
        (("add", "driver"), 2, "Missing argument 'ID'"),
        (("add", "driver", "D", "--password-stdin"), 2, "is for a charge_point"),
        (("forget",), 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    database: str, words: tuple[str, ...], code: int, said: str
) -> None:
    more = () if words == ("forget",) else ("--database", database)
    result = typed("credentials", *words, *more, code=code)
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_database_is_migrated_and_then_up_to_date(database: str) -> None:
    assert "is migrated from empty to" in typed("migrate", "--database", database).stderr
    assert "is up to date" in typed("migrate", "--database", database).stderr


def test_a_database_that_cannot_be_used_is_a_sentence() -> None:
    """Of each command, and without the password."""
    for words in (("migrate",), ("credentials", "list"), ("credentials", "add", "driver", "D")):
        url = "postgresql://u:secret@127.0.0.1:1/x"
        result = typed(*words, "--database", url, code=1)
        assert "cannot open the database" in result.stderr
        assert "secret" not in result.stderr
