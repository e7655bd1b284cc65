"""`ev-central idtags`, as an operator types it, and the files that it takes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from central import tag_file
from central.__main__ import main
from central.store.id_tags import listed
from common.gateway_messages import IdTagRow


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'central.db'}"


def typed(database: str, *words: str, code: int = 0, stdin: str | bytes = "") -> Result:
    result = CliRunner().invoke(
        main, ["--database", database, "idtags", *words], input=stdin, terminal_width=200
    )
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_an_id_tag_is_added_and_only_what_is_said_is_changed(database: str) -> None:
    """In whatever case it is typed again."""
    typed(database, "add", "TAG-1", "--driver", "ana", "--parent", "FAMILY", "--note", "card")
    typed(database, "add", "tag-1", "--expires", "2030-01-01T00:00Z", "--max-concurrent", "3")
    assert listed(database) == [
        IdTagRow(
            id_tag="TAG-1",
            driver_id="ana",
            parent_id_tag="FAMILY",
            expires_at=1_893_456_000,
            max_concurrent=3,
            note="card",
        )
    ]


def test_an_id_tag_is_blocked_unblocked_and_removed(database: str) -> None:
    typed(database, "add", "TAG-1")
    assert "is blocked" in typed(database, "block", "tag-1").stderr
    assert listed(database)[0].blocked
    typed(database, "add", "TAG-1", "--note", "lost")
    assert listed(database)[0].blocked, "adding it again does not unblock it"
    assert "may charge" in typed(database, "unblock", "TAG-1").stderr
    assert not listed(database)[0].blocked
    assert "is removed" in typed(database, "remove", "Tag-1").stderr
    assert listed(database) == []


def test_id_tags_are_listed_for_people_and_for_programs(database: str) -> None:
    assert "no id tag is known" in typed(database, "list").stdout
    typed(database, "add", "TAG-1", "--driver", "ana", "--expires", "2030-06-01")
    typed(database, "block", "TAG-1")
    out = typed(database, "list").stdout
    for shown in ("TAG-1", "ana", "2030-06-01", "blocked"):
        assert shown in out
    (row,) = json.loads(typed(database, "list", "--json").stdout)["id_tags"]
    assert (row["id_tag"], row["blocked"]) == ("TAG-1", True)


def test_a_file_is_imported_whole(database: str, tmp_path: Path) -> None:
    """In place of what is known of these; the others stay. As a spreadsheet writes it, too."""
    typed(database, "add", "KEPT")
    typed(database, "add", "A1", "--driver", "old", "--note", "old")
    file = tmp_path / "tags.csv"
    file.write_text(
        "\ufeffid_tag,driver_id,parent_id_tag,expires_at,blocked,max_concurrent,note\r\n"
        'a1,ana,FAM,2030-01-01T00:00Z,no,2,"Ana, spare"\r\n'
        "B2,,,1893456000,YES,,\r\n",
        encoding="utf-8",
    )
    assert "2 id tags stored" in typed(database, "import", str(file)).stderr
    assert listed(database) == [
        IdTagRow(
            id_tag="a1",
            driver_id="ana",
            parent_id_tag="FAM",
            expires_at=1_893_456_000,
            max_concurrent=2,
            note="Ana, spare",
        ),
        IdTagRow(id_tag="B2", expires_at=1_893_456_000, blocked=True),
        IdTagRow(id_tag="KEPT"),
    ]
    assert "1 id tag stored" in typed(database, "import", "-", stdin="id_tag\nC3\n").stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: no column is `id_tag`"),
        ("driver_id\nana\n", "line 1: no column is `id_tag`"),
        ("id_tag,drivr\nA,ana\n", "line 1: there is no column 'drivr'"),
        ("id_tag,note\nA\n", "line 2: it has not as many fields"),
        ("id_tag\nA,B\n", "line 2: it has not as many fields"),
        ("id_tag,note\nA,x\n,y\n", "line 3: Object missing required field `id_tag`"),
        ("id_tag\nA\na\n", "line 3: a for the second time"),
        ("id_tag\n" + "x" * 21 + "\n", "line 2: 'xxxxxxxxxxxxxxxxxxxxx' is no id tag"),
        ("id_tag,parent_id_tag\nA,a\x07b\n", r"line 2: 'a\x07b' is no id tag"),
        ("id_tag,blocked\nA,maybe\n", "'maybe' is neither yes nor no - at `$.blocked`"),
        ("id_tag,expires_at\nA,soon\n", "line 2: 'soon' is no time"),
        ("id_tag,driver_id\nA,a/b\n", "line 2: Expected `str` matching regex"),
        ("id_tag,max_concurrent\nA,0\n", "Expected `int` >= 1 - at `$.max_concurrent`"),
        ("id_tag,max_concurrent\nA,x\n", "line 2: Expected `int`, got `str`"),
        ('id_tag\n"A"B\n', "line 2: "),
        (b"id_tag\n\xff\n", "is not UTF-8"),
    ],
)
def test_a_file_with_anything_wrong_changes_nothing(
    database: str, text: str | bytes, said: str
) -> None:
    """The sentence names the line."""
    typed(database, "add", "KEPT")
    assert said in typed(database, "import", "-", code=1, stdin=text).stderr
    assert listed(database) == [IdTagRow(id_tag="KEPT")]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("block", "X"), 1, "there is no id tag X"),
        (("unblock", "X"), 1, "there is no id tag X"),
        (("remove", "X"), 1, "there is no id tag X"),
        (("import", "no-such-file"), 1, "cannot read no-such-file: No such file"),
        (("add", ""), 2, "'' is no id tag: 1 to 20 characters"),
        (("add", "x" * 21), 2, "is no id tag: 1 to 20 characters"),
        (("add", "X", "--parent", "x" * 21), 2, "is no id tag"),
        (("add", "X", "--driver", "no id"), 2, "is no id"),
        (("add", "X", "--expires", "soon"), 2, "'soon' is no time"),
        (("add", "X", "--max-concurrent", "0"), 2, "is not in the range"),
        (("add", "X", "--note", "n" * 1001), 1, "at `$.note`"),
        (("add",), 2, "Missing argument 'TAG'"),
        (("forget",), 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    database: str, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in typed(database, *words, code=code).stderr


def test_a_database_that_cannot_be_used_is_a_sentence() -> None:
    for words in (("list",), ("add", "X"), ("remove", "X")):
        result = typed("postgresql://u:secret@127.0.0.1:1/x", *words, code=1)
        assert "cannot open the database" in result.stderr
        assert "secret" not in result.stderr


@given(st.text(max_size=200))
def test_any_text_is_a_file_or_a_sentence(text: str) -> None:
    def read() -> str:
        try:
            return f"line 1, {len(tag_file.read(text.splitlines(keepends=True)))} id tags"
        except ValueError as error:
            return str(error)

    assert read().startswith("line ")
