"""How often a person and their practice may use what is dear, or what somebody could automate to others' cost.

The numbers are far above what people do by hand, and within what one program needs.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute

from handlers import refusals
from handlers.access.caller import Caller
from web.counting import Budget, SharedCounts


class Use(StrEnum):
    """What is limited."""

    SEARCH = "search"
    PREFLIGHT = "pre-flight"
    BATCH = "batch"
    WELCOME_EMAIL = "welcome email"
    TASK = "task"
    API_KEY = "API key"
    EXPORT = "export"
    INVITATION = "invitation of staff"


#: For each use the limits of one person, and of all of a practice.
LIMITS: dict[Use, tuple[RateLimitItem, RateLimitItem]] = {
    Use.SEARCH: (RateLimitItemPerMinute(120), RateLimitItemPerMinute(1_200)),
    Use.PREFLIGHT: (RateLimitItemPerMinute(20), RateLimitItemPerMinute(60)),
    Use.BATCH: (RateLimitItemPerMinute(20), RateLimitItemPerMinute(60)),
    Use.WELCOME_EMAIL: (RateLimitItemPerHour(600), RateLimitItemPerHour(2_400)),
    Use.TASK: (RateLimitItemPerHour(300), RateLimitItemPerHour(1_200)),
    Use.API_KEY: (RateLimitItemPerHour(10), RateLimitItemPerDay(30)),
    Use.EXPORT: (RateLimitItemPerHour(30), RateLimitItemPerHour(120)),
    Use.INVITATION: (RateLimitItemPerHour(30), RateLimitItemPerDay(100)),
}
#: Welcome emails to one client, whoever presses the button.
EMAILS_TO_A_CLIENT = RateLimitItemPerDay(5)
#: Tasks to one client, whoever sends them: each is an email.
TASKS_TO_A_CLIENT = RateLimitItemPerDay(50)


class UsageLimits:
    """Counts uses by person and practice."""

    def __init__(self, counts: SharedCounts) -> None:
        self._counts = counts

    def take(self, use: Use, who: Caller, *, to: UUID | None = None) -> None:
        """Count a use.

        Args:
            to: the client, or the team member of one, who gets an email or a task. The caller may see them, and did not make
                the same request before: strangers and retries use up nothing of a client's.

        Raises:
            RequestRefused: there were too many; it says when to try again.
        """
        of_person, of_practice = LIMITS[use]
        budgets: list[Budget] = [
            (of_person, f"{use} of person", str(who.staff_id)),
            (of_practice, f"{use} of practice", str(who.practice_id)),
        ]
        if to is not None:
            of_receiver = TASKS_TO_A_CLIENT if use is Use.TASK else EMAILS_TO_A_CLIENT
            budgets.append((of_receiver, f"{use} to client", str(to)))
        exceeded = self._counts.take(budgets)
        if exceeded is not None:
            wait = exceeded.wait_seconds
            raise refusals.TOO_MANY_USES(use=use.value, wait=_words(wait)).after(wait)

    def take_search(self, who: Caller, text: str | None) -> None:
        """Count a list as a search where words are given.

        Raises:
            RequestRefused: there were too many; it says when to try again.
        """
        if text and text.strip():
            self.take(Use.SEARCH, who)


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 7_200 else f"{round(seconds / 3600)} hours"
