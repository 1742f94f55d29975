"""Finding jobs: filters that the database applies, pages that neither skip nor repeat, groups of one cause."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_db.paging import BadCursor, Cursor
from portal_db.states import ErrorClass, JobState, Lane
from portal_db.types import database_time
from portal_db.work import job_search, jobs
from portal_db.work.job_search import Filter, cursor_of, group_named
from portal_db.work.jobs import Failure, cause_digest, normalised
from tests.making import add, add_practice, claimed, new_job, set_job
from tests.world import World

DEAD = Filter(states=(JobState.DEAD,))


def die(world: World, message: str, *, code: str = "bug", **job: object) -> UUID:
    """A job that ended with this message."""
    [job_id] = add(world, new_job(world, **job))  # type: ignore[arg-type]  # the maker's own arguments
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        jobs.end(tx, lease, JobState.DEAD, Failure(ErrorClass.PERMANENT, code, message))
    return job_id


def found(world: World, which: Filter) -> set[UUID]:
    with world.database.read() as tx:
        listed = job_search.listing(tx, which, limit=1000)
    return {job.id for job in listed}


def test_each_filter_narrows(world: World) -> None:
    other_practice = add_practice(world, "Hill")
    first = die(world, "Row 100% broken: a_b", kind="import_details")
    second = die(world, "Nothing came back", code="xpm_contract", practice_id=other_practice)
    world.pass_time(3600)
    third = die(world, "NOTHING came back", lane=Lane.EMAIL)
    [queued] = add(world, new_job(world))
    assert found(world, DEAD) == {first, second, third}
    assert queued in found(world, Filter())
    for which, expected in (
        ({"practice_id": other_practice}, {second}),
        ({"kind": "import_details"}, {first}),
        ({"code": "xpm_contract"}, {second}),
        ({"lane": Lane.EMAIL}, {third}),
        ({"text": "nothing"}, {second, third}),
        ({"text": "0% b"}, {first}),
        ({"text": "a_b"}, {first}),
        ({"text": "a%b"}, set()),
        ({"text": "axb"}, set()),
        ({"text": "'; drop table jobs; --"}, set()),
        ({"older_than": 1800}, {first, second}),
        ({"newer_than": 1800}, {third}),
        ({"older_than": 1800, "text": "nothing"}, {second}),
    ):
        assert found(world, Filter(states=(JobState.DEAD,), **which)) == expected, which


@pytest.mark.parametrize("looked_through", [2, 1_000], ids=["few", "all"])
def test_pages_show_each_job_once(world: World, monkeypatch: pytest.MonkeyPatch, looked_through: int) -> None:
    """Also those that died at one instant, whether or not those that were looked through first fill the page."""
    monkeypatch.setattr(job_search, "LOOKED_THROUGH_DEAD", looked_through)
    ids = {die(world, "Broken") for _ in range(7)}
    with world.database.write() as tx:
        now = database_time(tx.session)
    for job_id in ids:
        set_job(world, job_id, finished_at=now)
    shown: list[UUID] = []
    after = None
    with world.database.read() as tx:
        while page := job_search.listing(tx, DEAD, limit=3, after=after):
            shown += [job.id for job in page]
            after = Cursor.parse(str(cursor_of(DEAD, page[-1])))
    assert sorted(shown, reverse=True) == shown
    assert set(shown) == ids
    assert len(shown) == 7


def test_whoever_works_through_them_goes_oldest_first_and_meets_nothing_new(world: World) -> None:
    ids = []
    for _ in range(3):
        ids.append(die(world, "Broken"))
        world.pass_time(10)
    with world.database.read() as tx:
        until = database_time(tx.session)
    die(world, "Broken again")
    with world.database.read() as tx:
        first = job_search.oldest_first(tx, DEAD, until=until, limit=2)
        rest = job_search.oldest_first(tx, DEAD, until=until, limit=2, after=first[-1][1])
    assert [job_id for job_id, _ in first + rest] == ids


def test_groups_of_one_cause(world: World) -> None:
    other_practice = add_practice(world, "Hill")
    die(world, "Row 17 of 'Moss' is broken.", kind="import_details")
    world.pass_time(3600)
    die(world, 'row 9  of "Bo" is broken.', kind="import_details", practice_id=other_practice)
    die(world, "Row 17 of 'Moss' is broken.")
    die(world, "Row 17 of 'Moss' is lost.", kind="import_details")
    with world.database.read() as tx:
        groups = job_search.groups(tx, DEAD, limit=10)
    biggest = groups[0]
    assert [one.count for one in groups] == [2, 1, 1]
    assert (biggest.group.kind, biggest.group.code, biggest.practices) == ("import_details", "bug", 2)
    assert (biggest.last_seen - biggest.first_seen).total_seconds() >= 3600
    # Each group is found again by its name
    for one in groups:
        assert group_named(str(one.group)) == one.group
        assert len(found(world, Filter(states=(JobState.DEAD,), group=one.group))) == one.count


def test_groups_say_how_many_died_on_each_of_the_last_days(sqlite_world: World) -> None:
    for days, count in ((5, 1), (2, 2), (0.5, 1)):
        for _ in range(count):
            die(sqlite_world, "It broke.")
        sqlite_world.pass_time(days * 86_400)
    with sqlite_world.database.read() as tx:
        [group] = job_search.groups(tx, DEAD, limit=9)
    assert (group.count, list(group.days)) == (4, [0, 0, 0, 0, 2, 0, 1])


def test_dead_letters_of_a_version_that_kept_no_cause_are_a_group_too(world: World) -> None:
    job_id = die(world, "Broken")
    set_job(world, job_id, error_cause=None)
    with world.database.read() as tx:
        [one] = job_search.groups(tx, DEAD, limit=10)
    assert str(one.group) == "validate_import/bug/-"
    assert found(world, Filter(states=(JobState.DEAD,), group=group_named(str(one.group)))) == {job_id}


@pytest.mark.parametrize("text", ["", "x", "a/b", "/b/c", "a"])
def test_what_is_no_group(text: str) -> None:
    assert group_named(text) is None


@pytest.mark.parametrize("text", ["", "x", "2026-01-01~", "2026-01-01T00:00:00~" + "0" * 32, "~", "now~now"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.parse(text)


@given(st.uuids(), st.uuids(), st.integers(0, 10**9), st.integers(0, 10**9))
def test_ids_and_numbers_do_not_make_another_cause(one: UUID, two: UUID, first: int, second: int) -> None:
    assert cause_digest("bug", f"Job {one} failed {first} times") == cause_digest(
        "bug", f"job {two}  failed {second} times"
    )
    assert cause_digest("bug", f"Job {one.hex} failed") == cause_digest("bug", f"Job {two.hex} failed")


def test_words_and_codes_do() -> None:
    assert normalised("At 10:42:05 XPM's answer (3.5 s) to “Mia” was 17") == normalised(
        "At 9:01:00 XPM's answer (1 s) to “Bo” was 4"
    )
    assert cause_digest("bug", "It broke") != cause_digest("bug", "It is lost")
    assert cause_digest("bug", "It broke") != cause_digest("poison", "It broke")
