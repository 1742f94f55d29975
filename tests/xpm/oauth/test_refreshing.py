"""Keeping a token fresh: one refresh for all, stored before it is used, and what happens when it does not come off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import pytest

from tests.counts import growth
from tests.racing import at_once
from xpm.oauth import (
    AppRefused,
    CoolingDown,
    Grant,
    GrantRefused,
    IdentityMalformed,
    IdentityUnavailable,
    ReconnectNeeded,
    RefreshUnderWay,
    StoredTokens,
    Token,
    Tokens,
)
from xpm.oauth.refreshing import COOLING_SECONDS, LEASE_SECONDS, MAX_COOLING_SECONDS, WAIT_SECONDS

LOGIN = UUID(int=1)
FRESH = StoredTokens("access-1", "refresh-1", version=1, life=1800, left=1000)
STALE = replace(FRESH, left=30)
EXPIRED = replace(FRESH, left=-1)


@dataclass
class Books:
    """A token store in memory, on a clock that moves only when somebody sleeps."""

    row: StoredTokens
    seconds: float = 0.0
    lease: UUID | None = None
    leased_until: float = 0.0
    cooling_until: float = 0.0
    written: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    on_sleep: Callable[[], None] = lambda: None

    def load(self, login_id: UUID) -> StoredTokens:
        assert login_id == LOGIN
        with self.lock:
            left = self.row.left - self.seconds
            leased, cooling = self.leased_until - self.seconds, self.cooling_until - self.seconds
            return replace(self.row, left=left, leased_for=leased if self.lease else 0.0, cooling_for=cooling)

    def take_lease(self, login_id: UUID, lease: UUID, *, version: int, seconds: float) -> bool:
        assert login_id == LOGIN
        with self.lock:
            free = self.lease is None or self.leased_until <= self.seconds
            if not free or self.row.refused or version != self.row.version or self.cooling_until > self.seconds:
                return False
            self.lease, self.leased_until = lease, self.seconds + seconds
            return True

    def store(self, login_id: UUID, lease: UUID, grant: Grant, *, version: int, age: float) -> bool:
        assert login_id == LOGIN
        with self.lock:
            if lease != self.lease or version != self.row.version:
                return False
            left = self.seconds + grant.expires_in - age
            self.row = StoredTokens(grant.access_token, grant.refresh_token, version + 1, grant.expires_in, left)
            self.lease = None
            self.written.append(grant.access_token)
            return True

    def cool_down(self, login_id: UUID, lease: UUID, *, seconds: float) -> None:
        assert (login_id, lease) == (LOGIN, self.lease)
        with self.lock:
            self.lease, self.cooling_until = None, self.seconds + seconds
            self.row = replace(self.row, failures=self.row.failures + 1)

    def refuse(self, login_id: UUID, lease: UUID, *, version: int) -> bool:
        assert login_id == LOGIN
        with self.lock:
            if lease != self.lease or version != self.row.version:
                return False
            self.row, self.lease = replace(self.row, refused=True), None
            return True

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.seconds += seconds
            self.on_sleep()

    def held_by_another(self, seconds: float = LEASE_SECONDS) -> None:
        self.lease, self.leased_until = uuid4(), self.seconds + seconds


class Xero:
    """Gives numbered tokens, or what it is told to raise; keeps what it was asked with."""

    def __init__(self, *errors: Exception, life: float = 1800) -> None:
        self._errors = list(errors)
        self._life = life
        self.asked: list[str] = []

    def refresh(self, refresh_token: str) -> Grant:
        self.asked.append(refresh_token)
        if self._errors:
            raise self._errors.pop(0)
        number = len(self.asked) + 1
        return Grant(f"access-{number}", f"refresh-{number}", self._life, frozenset())


def tokens(books: Books, xero: Xero) -> Tokens:
    return Tokens(books, xero.refresh, monotonic=lambda: books.seconds, sleep=books.sleep)


def test_a_token_with_time_left_is_used_as_it_is() -> None:
    xero = Xero()
    assert tokens(Books(FRESH), xero).access_token(LOGIN) == Token("access-1", 1)
    assert xero.asked == []


@pytest.mark.parametrize(
    ("life", "left", "refreshed"),
    [(1800, 61, False), (1800, 60, True), (720, 61, False), (30, 3.1, False), (30, 3, True)],
)
def test_refreshed_a_minute_ahead_or_a_tenth_of_a_short_life(life: float, left: float, refreshed: bool) -> None:
    xero = Xero()
    tokens(Books(replace(FRESH, life=life, left=left)), xero).access_token(LOGIN)
    assert bool(xero.asked) is refreshed


def test_new_tokens_are_stored_before_they_are_used() -> None:
    books, xero = Books(EXPIRED), Xero()
    assert tokens(books, xero).access_token(LOGIN) == Token("access-2", 2)
    assert books.written == ["access-2"]
    assert books.row.refresh_token == "refresh-2"


@pytest.mark.parametrize(
    ("error", "result"), [(None, "succeeded"), (GrantRefused(), "refused"), (IdentityUnavailable("x"), "failed")],
    ids=["none", "refused", "unavailable"],
)  # fmt: skip
def test_a_refresh_is_counted_by_its_result(error: Exception | None, result: str) -> None:
    counted = growth("token_refreshes_total", result=result)

    def refresh(_: str) -> Grant:
        if error is not None:
            raise error
        return Grant("access-2", "refresh-2", 1800, frozenset())

    with suppress(ReconnectNeeded, IdentityUnavailable):
        Tokens(Books(EXPIRED), refresh).access_token(LOGIN)
    assert counted() == 1


@pytest.mark.parametrize("stored", [EXPIRED, STALE])
def test_fifty_at_once_refresh_once(stored: StoredTokens) -> None:
    books, xero = Books(stored), Xero()
    results = at_once(*[lambda: tokens(books, xero).access_token(LOGIN).value] * 50)
    assert xero.asked == ["refresh-1"]
    assert set(results) <= {"access-1", "access-2"} if stored is STALE else set(results) == {"access-2"}


def test_fifty_with_a_token_that_xero_refused_refresh_once() -> None:
    books, xero = Books(FRESH), Xero()
    results = at_once(*[lambda: tokens(books, xero).access_token(LOGIN, not_version=1)] * 50)
    assert xero.asked == ["refresh-1"]
    assert set(results) == {Token("access-2", 2)}


class TakenMeanwhile(Books):
    """Somebody else takes the lease between our look and our try."""

    def take_lease(self, login_id: UUID, lease: UUID, *, version: int, seconds: float) -> bool:
        self.held_by_another()
        return super().take_lease(login_id, lease, version=version, seconds=seconds)


def test_whoever_does_not_get_the_lease_asks_xero_for_nothing() -> None:
    books, xero = TakenMeanwhile(EXPIRED), Xero()
    with pytest.raises(RefreshUnderWay):
        tokens(books, xero).access_token(LOGIN)
    assert xero.asked == []


def test_a_refusal_of_an_older_token_needs_no_refresh() -> None:
    """Somebody has refreshed since: the newer token is taken as it is."""
    xero = Xero()
    assert tokens(Books(replace(FRESH, version=4)), xero).access_token(LOGIN, not_version=3).version == 4
    assert xero.asked == []


def test_while_another_refreshes_ahead_the_old_token_does() -> None:
    books, xero = Books(STALE), Xero()
    books.held_by_another()
    assert tokens(books, xero).access_token(LOGIN) == Token("access-1", 1)
    assert (xero.asked, books.seconds) == ([], 0)


def test_waits_for_another_and_takes_what_it_stored() -> None:
    books, xero = Books(EXPIRED), Xero()
    books.held_by_another()

    def finish() -> None:
        if books.seconds > 1:
            books.row, books.lease = StoredTokens("theirs", "r", 2, 1800, 1800), None

    books.on_sleep = finish
    assert tokens(books, xero).access_token(LOGIN) == Token("theirs", 2)
    assert xero.asked == []


def test_does_not_wait_for_another_for_ever() -> None:
    books = Books(EXPIRED)
    books.held_by_another()
    with pytest.raises(RefreshUnderWay) as caught:
        tokens(books, Xero()).access_token(LOGIN)
    assert WAIT_SECONDS <= books.seconds < WAIT_SECONDS + 1
    assert 0 < caught.value.wait_seconds <= LEASE_SECONDS


def test_the_callers_deadline_bounds_the_wait() -> None:
    books = Books(EXPIRED)
    books.held_by_another()
    with pytest.raises(RefreshUnderWay):
        tokens(books, Xero()).access_token(LOGIN, wait_seconds=0.5)
    assert books.seconds < 1


def test_a_refresher_that_died_is_followed_by_one_that_tries_the_old_token() -> None:
    books, xero = Books(EXPIRED), Xero()
    books.held_by_another()
    books.seconds = LEASE_SECONDS
    assert tokens(books, xero).access_token(LOGIN).version == 2
    assert xero.asked == ["refresh-1"]


def test_whoever_lost_the_lease_keeps_nothing_and_reads_again() -> None:
    """Stopped for longer than its lease, it finds what another stored; its own answer is thrown away."""
    books, xero = Books(EXPIRED), Xero()

    def stopped(refresh_token: str) -> Grant:
        grant = xero.refresh(refresh_token)
        books.seconds += LEASE_SECONDS + 1
        assert tokens(books, xero).access_token(LOGIN).value == "access-3"
        return grant

    late = Tokens(books, stopped, monotonic=lambda: books.seconds, sleep=books.sleep)
    assert late.access_token(LOGIN).value == "access-3"
    assert books.written == ["access-3"]


def test_a_dead_grant_needs_a_new_consent_and_is_never_tried_again() -> None:
    books, xero = Books(EXPIRED), Xero(GrantRefused())
    with pytest.raises(ReconnectNeeded) as caught:
        tokens(books, xero).access_token(LOGIN)
    assert caught.value.version == 1
    with pytest.raises(ReconnectNeeded):
        tokens(books, xero).access_token(LOGIN)
    assert xero.asked == ["refresh-1"]


def test_a_refusal_is_checked_against_newer_tokens_first() -> None:
    """Somebody reconnected while we asked with the old token: nothing is broken."""
    books = Books(EXPIRED)

    def too_late(refresh_token: str) -> Grant:
        assert refresh_token == "refresh-1"
        books.row, books.lease = StoredTokens("reconnected", "r", 2, 1800, 1800), None
        raise GrantRefused

    found = Tokens(books, too_late, monotonic=lambda: books.seconds, sleep=books.sleep).access_token(LOGIN)
    assert found == Token("reconnected", 2)
    assert not books.row.refused


FAILURES: list[Exception] = [IdentityUnavailable("x"), IdentityMalformed("x"), AppRefused("invalid_client")]


@pytest.mark.parametrize("error", FAILURES)
def test_after_a_failed_refresh_nobody_tries_for_a_while(error: Exception) -> None:
    books, xero = Books(EXPIRED), Xero(error)
    with pytest.raises(type(error)):
        tokens(books, xero).access_token(LOGIN)
    with pytest.raises(CoolingDown) as caught:
        tokens(books, xero).access_token(LOGIN)
    assert caught.value.wait_seconds == COOLING_SECONDS
    assert len(xero.asked) == 1
    books.seconds += COOLING_SECONDS
    assert tokens(books, xero).access_token(LOGIN).version == 2


@pytest.mark.parametrize("error", FAILURES)
def test_a_refresh_that_fails_ahead_of_time_does_no_harm(error: Exception) -> None:
    books = Books(STALE)
    assert tokens(books, Xero(error)).access_token(LOGIN) == Token("access-1", 1)
    assert tokens(books, Xero(error)).access_token(LOGIN) == Token("access-1", 1)


@pytest.mark.parametrize(
    ("failures", "retry_after", "cooling"),
    [(0, None, 5), (1, None, 10), (3, None, 40), (50, None, 300), (0, 90, 90), (0, 9e9, 300)],
)
def test_the_cooling_grows_and_heeds_xero(failures: int, retry_after: float | None, cooling: float) -> None:
    books = Books(replace(EXPIRED, failures=failures))
    with pytest.raises(IdentityUnavailable):
        tokens(books, Xero(IdentityUnavailable("x", retry_after))).access_token(LOGIN)
    assert books.cooling_until == cooling <= MAX_COOLING_SECONDS


def test_a_token_that_cannot_be_refreshed_is_used_until_xero_refuses_it() -> None:
    books = Books(replace(EXPIRED, refresh_token=None))
    assert tokens(books, Xero()).access_token(LOGIN).value == "access-1"
    with pytest.raises(ReconnectNeeded):
        tokens(books, Xero()).access_token(LOGIN, not_version=1)


def test_what_is_known_already_saves_a_look() -> None:
    class Blind(Books):
        def load(self, login_id: UUID) -> StoredTokens:
            raise AssertionError(f"looked at {login_id}")

    assert tokens(Blind(FRESH), Xero()).access_token(LOGIN, known=FRESH).value == "access-1"


def test_nothing_secret_is_printed() -> None:
    assert "access-1" not in repr(FRESH) + repr(Token("access-1", 1))
    assert "refresh-1" not in repr(FRESH)
