"""Renders the templates of the console. Every value is escaped; a name that a page does not give is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from web.console import words
from web.console.operator import AtConsole, OpsPosted
from web.pages.frame.forms import NO_ERRORS, FormErrors
from web.pages.frame.view import environment
from web.pages.frame.visitor import is_local_path

#: Pages of the console, in the order of its navigation.
NAVIGATION = (
    ("/", "Now", "progress"),
    ("/inbox", "Inbox", "mail"),
    ("/dead", "Dead letters", "warn"),
    ("/jobs", "Jobs", "task"),
    ("/imports", "Imports", "import"),
    ("/practices", "Practices", "entity"),
    ("/schedules", "Schedules", "plus"),
    ("/audit", "Audit", "lock"),
    ("/system", "System", "plug"),
)

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def age(at: datetime | None, now: datetime) -> str:
    """How long ago a time is, or how soon: 14 min ago, in 3 h."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    return f"{lasting(seconds)} ago" if seconds >= 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float) -> str:
    """A length of time in its largest unit: 3 d, 14 min."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{round(seconds / size):,} {unit}"


def when(at: datetime | None, now: datetime) -> Markup:
    """A time in UTC, and how long ago it is."""
    if at is None:
        return Markup("never")
    utc = at.astimezone(UTC)
    shown = f"{utc:%Y-%m-%d %H:%M:%S}" if utc.date() != now.astimezone(UTC).date() else f"{utc:%H:%M:%S}"
    exact = utc.isoformat(timespec="seconds")
    # Nothing of it needs escaping, which takes longer than all the rest.
    return Markup(f'<time datetime="{exact}">{shown} UTC</time> <span class="soft">{age(at, now)}</span>')  # noqa: S704


def line(days: Sequence[int]) -> Markup:
    """A line chart of how many there were on each of the last days, the latest at the right."""
    most = max(days)
    heights = [1 + (19 * count / most if most else 0) for count in days]
    bars = "".join(
        f'<rect x="{number * 10 + 1}" y="{20 - height:.1f}" width="8" height="{height:.1f}"/>'
        for number, height in enumerate(heights)
    )
    said = f"Last {len(days)} days: {', '.join(map(str, days))}"
    box = f'class="line" viewBox="0 0 {len(days) * 10} 20"'
    return Markup(f'<svg {box} role="img" aria-label="{said}"><title>{said}</title>{bars}</svg>')  # noqa: S704 -- numbers


_templates = environment()
_templates.globals |= {"navigation": NAVIGATION}
_templates.filters |= {
    "when": when,
    "age": age,
    "lasting": lasting,
    "line": line,
    "query": lambda values: urlencode({key: value for key, value in values.items() if value not in (None, "")}),
    "waits": words.waits,
    "suggestion": words.suggestion,
}


def page(operator: AtConsole, template: str, errors: FormErrors = NO_ERRORS, **values: Any) -> HTMLResponse:
    """A page for an operator.

    Args:
        template: a file's name, from `web/templates/`.
        errors: what is wrong with the form that led here; the page has their status.
        values: the names that the template uses besides `operator`, `errors`, `here`, `message` and `now`.
    """
    request = operator.request
    shown = {
        "operator": operator,
        "errors": errors,
        "now": operator.services.sources.now(),
    }
    return _page(request, template, errors.status, **shown, **values)


def public_page(
    request: Request, template: str, errors: FormErrors = NO_ERRORS, *, status: int | None = None, **values: Any
) -> HTMLResponse:
    """A page that needs no session."""
    return _page(request, template, status or errors.status, operator=None, errors=errors, **values)


def _page(request: Request, template: str, status: int, **values: Any) -> HTMLResponse:
    message = words.MESSAGES.get(request.query_params.get("said", ""))
    shown = {"here": request.url.path, "message": message, **values}
    return HTMLResponse(_templates.get_template(template).render(shown), status)


def redirect(path: str, *, message: str | None = None, **query: str | None) -> RedirectResponse:
    """Redirect after a form, so that reloading the page sends nothing twice."""
    given: Mapping[str, str] = {name: value for name, value in {**query, "said": message}.items() if value}
    joint = "&" if "?" in path else "?"
    return RedirectResponse(f"{path}{joint}{urlencode(given)}" if given else path, 303)


def back(form: OpsPosted, otherwise: str, *, message: str) -> RedirectResponse:
    """Back to the page that a form was on, with its filters."""
    to = form.text("back")
    to = to if is_local_path(to) else otherwise
    path, _, query = to.partition("?")
    kept = "&".join(part for part in query.split("&") if part and not part.startswith("said="))
    return redirect(f"{path}?{kept}" if kept else path, message=message)
