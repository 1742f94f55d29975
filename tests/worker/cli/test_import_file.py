"""Batches from CSV and JSON lines: every bad line is told with its number, and then nothing is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import OperationalError

from portal_db.database import Database, Tx
from tests.handlers.imports.test_batch_file import AS_SPREADSHEETS_WRITE, ROWS, WRITTEN
from tests.worker.cli.conftest import Cli, Ran
from tests.world import World


@pytest.fixture
def send(cli: Cli, office: World, tmp_path: Path) -> Send:
    return Send(cli, office, tmp_path)


class Send:
    """Imports a file with some content, as the office's staff member."""

    def __init__(self, cli: Cli, office: World, folder: Path) -> None:
        self.cli, self.office, self.folder = cli, office, folder

    def __call__(self, content: str | bytes, *options: object, name: str = "rows.csv") -> Ran:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.stream("", "--file", path, *options)

    def stream(self, given: str, *options: object) -> Ran:
        who = ("--practice", self.office.practice_id, "--as", self.office.staff_id)
        return self.cli("import", *who, *options, given=given)

    def count(self) -> object:
        return self.office.scalar("SELECT count(*) FROM imports")


def test_a_csv_is_asked_for_in_its_order_with_empty_cells_left_out(send: Send) -> None:
    # Given a spreadsheet's CSV: a byte order mark, CRLF, a quoted comma, blanks and an empty line
    uuids = [uuid4(), uuid4(), uuid4()]
    content = (
        "\ufeffXPM_UUID,kind,name,send_welcome_email,bring_details\r\n"
        f'{uuids[0]},individual,"Lee, Kim",yes,\r\n'
        "\r\n"
        f"{uuids[1]},entity,,,no\r\n"
        f"{uuids[2]},individual,Æsa 🦘,,\r\n"
    )
    # When it is imported
    told = send(content, "--json").json()
    # Then its rows are a batch in the same order
    assert [row["xpm_uuid"] for row in told["imports"]] == [str(uuid) for uuid in uuids]
    rows = [send.office.import_row(UUID(row["id"])) for row in told["imports"]]
    assert [row.name for row in rows] == ["Lee, Kim", None, "Æsa 🦘"]
    assert [row.send_welcome_email for row in rows] == [True, False, False]
    assert [row.bring_details for row in rows] == [True, False, True]
    assert {str(row.batch_id) for row in rows} == {told["batch_id"]}


@pytest.mark.parametrize("how", AS_SPREADSHEETS_WRITE)
def test_a_file_as_spreadsheets_write_it(send: Send, how: str) -> None:
    told = send(WRITTEN[how], "--json", name="rows.xlsx" if how == "excel" else "rows.csv").json()
    rows = [send.office.import_row(UUID(row["id"])) for row in told["imports"]]
    assert [(str(row.xpm_uuid), row.kind.value, row.name) for row in rows] == [
        (fields["xpm_uuid"], fields["kind"], fields.get("name")) for _, fields in ROWS
    ]


def test_json_lines_from_standard_input(send: Send) -> None:
    lines = [{"xpm_uuid": str(uuid4()), "kind": "individual", "client_type": "Business"},
             {"xpm_uuid": str(uuid4()), "kind": "entity", "entity_type": "Super Fund"}]  # fmt: skip
    ran = send.stream("\n".join(map(json.dumps, lines)) + "\n\n", "--file", "-")
    assert ran.code == 0
    assert "Accepted 2 imports as batch" in ran.out
    assert send.count() == 2


def test_every_bad_line_is_told_and_nothing_is_asked_for(send: Send) -> None:
    # Given a file with good lines and bad ones
    good = f"{uuid4()},individual,,"
    content = "\n".join(
        [
            "xpm_uuid,kind,email,entity_type",
            good,
            "not-a-uuid,individual,,",
            f"{uuid4()},person,,",
            f'{uuid4()},individual,"two\nlines@x.example",',
            f"{uuid4()},entity,kim@practice.example,",
            f"{uuid4()},individual,,,more",
            good,
        ]
    )
    # When it is imported
    ran = send(content)
    # Then each bad line is there with its number and why, values aside, and no row was taken
    first, *lines = ran.err.splitlines()
    assert (ran.code, ran.out) == (2, "")
    assert "rows.csv has 5 bad lines, so nothing was imported" in first
    assert [line.strip().split(":")[0] for line in lines] == ["line 3", "line 4", "line 5", "line 7", "line 8"]
    for line, words in zip(lines, ("xpm_uuid", "kind", "email", "email is for individuals", "column 5"), strict=True):
        assert words in line
    assert "practice.example" not in ran.err
    assert send.count() == 0


def test_bad_json_lines_are_told_with_their_numbers(send: Send) -> None:
    lines = ["[]", "{", json.dumps({"xpm_uuid": str(uuid4()), "kind": "entity", "practice_id": str(uuid4())}),
             json.dumps({"xpm_uuid": str(uuid4()), "kind": "entity", "colour": "red"}),
             "[" * 100_000]  # fmt: skip
    ran = send("\n".join(lines), name="rows.jsonl")
    assert ran.code == 2
    assert [line.strip() for line in ran.err.splitlines()[1:]] == [
        "line 1: is not a JSON object.",
        "line 2: is not JSON of one level.",
        "line 3: practice_id: is given once, for all rows.",
        "line 4: colour: is not known here.",
        "line 5: is not JSON of one level.",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no rows"),
        ("xpm_uuid,kind\n", "has no rows"),
        ("uuid,kind\n1,2\n", "an unknown column 'uuid'"),
        ("xpm_uuid,name\n1,2\n", "no column kind"),
        ("xpm_uuid,kind,kind\n1,2,3\n", "the same column twice"),
        (b"xpm_uuid,kind\n\xff\xfe,1\n", "is not UTF-8 text (line 2: found the byte 0xff)"),
        ('xpm_uuid,kind\n"abc,1\n', "1 bad line"),
        ("xpm_uuid,kind\n" + f"{UUID(int=1)},entity\n" * 5001, "has 5,001 rows and a batch has at most 5,000"),
    ],
)
def test_files_that_are_no_batch(send: Send, content: str | bytes, words: str) -> None:
    ran = send(content)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert send.count() == 0


def test_a_file_that_is_not_there(send: Send) -> None:
    ran = send.stream("", "--file", "/nowhere/rows.csv")
    assert ran.code == 2
    assert "/nowhere/rows.csv cannot be read: No such file or directory" in ran.err


def test_the_same_batch_key_asks_once_and_another_content_under_it_is_a_conflict(send: Send) -> None:
    content = f"xpm_uuid,kind\n{uuid4()},entity\n"
    first = send(content, "--request-id", "june", "--json").json()
    second = send(content, "--request-id", "june", "--json").json()
    assert first == second
    assert "already requested" in send(content, "--request-id", "june").out
    other = send(f"xpm_uuid,kind\n{uuid4()},entity\n", "--request-id", "june")
    assert other.code == 1
    assert "--request-id june: This request id has already been used" in other.err
    assert send.count() == 1


CUT_OFF: dict[str, tuple[BaseException, int]] = {
    "the database restarts": (OperationalError("BEGIN", None, ConnectionError("connection refused")), 3),
    "Ctrl-C": (KeyboardInterrupt(), 130),
}


@pytest.mark.parametrize("case", CUT_OFF)
def test_a_batch_that_was_cut_off_goes_on_under_its_key(send: Send, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    # Given a batch of which the second part is not recorded
    error, code = CUT_OFF[case]
    monkeypatch.setattr("handlers.imports.accept.CHUNK", 2)

    class CutOff(Database):
        @contextmanager
        def write(self) -> Iterator[Tx]:
            if send.count():
                raise error
            with super().write() as tx:
                yield tx

    content = "xpm_uuid,kind\n" + "".join(f"{uuid4()},entity\n" for _ in range(5))
    with monkeypatch.context() as patched:
        patched.setattr("worker.cli.database.Database", CutOff)
        ran = send(content)
    assert (ran.code, send.count()) == (code, 2)
    # Then the command says its key, and that it can go on
    [key] = re.findall(r"To go on: the same command with --request-id (\S+)", ran.err)
    assert ran.err.startswith(f"request id {key}\n")
    # When it does, then it completes the one batch
    told = send(content, "--request-id", key, "--json").json()
    assert [len(told["imports"]), send.count()] == [5, 5]
    assert send.office.scalar("SELECT count(*) FROM batches") == 1


def test_a_dry_run_tells_and_asks_nothing(send: Send) -> None:
    uuids = [uuid4() for _ in range(25)]
    content = "xpm_uuid,kind\n" + "".join(f"{uuid},entity\n" for uuid in uuids)
    told = send(content, "--dry-run")
    assert told.code == 0
    assert "This would request 25 imports" in told.out
    assert str(uuids[0]) in told.out
    assert "and 5 more" in told.out
    assert [row["xpm_uuid"] for row in send(content, "--dry-run", "--json").json()] == [str(uuid) for uuid in uuids]
    assert send.count() == 0


def test_options_of_one_client_do_not_go_with_a_file(send: Send) -> None:
    for option in (("--kind", "entity"), ("--no-details",), ("--welcome",), ("--no-welcome",)):
        ran = send(f"xpm_uuid,kind\n{uuid4()},entity\n", *option)
        assert ran.code == 2
        assert "put each row's options in its columns" in ran.err
