"""What processes count and measure about themselves, for Prometheus. `docs/metrics.md` lists it.

Counting is cheap: a look-up and an addition in memory. No label names a person, a practice, an address or an id (P19), and
every label has few values: those of an enumeration, the table of kinds, the routes.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from config.listener import Answer

PREFIX = "portal_sync"
REGISTRY = CollectorRegistry()

#: Bounds of histograms, in seconds: of calls, and of work that may wait for minutes, hours or days.
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types


def _counter(name: str, words: str, *labels: str, values: tuple[str, ...] = ()) -> Counter:
    """A counter. The `values` of its only label begin at zero, so that an alert sees the first of each."""
    made = Counter(name, words, labels, namespace=PREFIX, registry=REGISTRY)
    for value in values:
        made.labels(value)
    return made


def _histogram(name: str, words: str, *labels: str, bounds: tuple[float, ...] = _SHORT) -> Histogram:
    return Histogram(name, words, labels, namespace=PREFIX, registry=REGISTRY, buckets=bounds)


JOB_ATTEMPTS = _counter("job_attempts_total", "Attempts at jobs that ended, by how.", "kind", "outcome")
JOB_DURATION = _histogram(
    "job_duration_seconds", "From the beginning of a job's set in a worker to the job's outcome.", "kind"
)
JOB_WAIT = _histogram("job_wait_seconds", "From a new job's creation to its claim.", "lane", bounds=_LONG)
IMPORT_DURATION = _histogram(
    "import_duration_seconds", "From the request of an import, or its reopening, to its close.", "kind", "state",
    bounds=_LONG,
)  # fmt: skip
LEASES_LOST = _counter("leases_lost_total", "Running jobs that the relay took back because their lease ran out.")
RELAY_LEADER = Gauge("relay_leader", "1 in the relay that leads, 0 in all others.", namespace=PREFIX, registry=REGISTRY)
RELAY_LOOK = _histogram("relay_look_seconds", "Looks of the leading relay that succeeded.")

XPM_REQUESTS = _counter("xpm_requests_total", "Requests to XPM, by answer.", "operation", "status_class")
XPM_REQUEST_DURATION = _histogram("xpm_request_duration_seconds", "From a request to XPM to its answer's last byte.")
XPM_PERMITS = _counter("xpm_permits_total", "Permits for calls to XPM that were asked for.", "lane", "result")
XPM_PERMIT_WAIT = _histogram(
    "xpm_permit_wait_seconds", "Waits for a permit, by the limit that was waited for: in the thread, or deferred.",
    "limit", bounds=_LONG,
)  # fmt: skip
TOKEN_REFRESHES = _counter(
    "token_refreshes_total", "Refreshes of Xero tokens.", "result", values=("succeeded", "refused", "failed", "lost")
)

EMAIL_SENDS = _counter("email_sends_total", "Emails handed to the mail server.", "outcome")
WEBHOOK_DELIVERIES = _counter("webhook_deliveries_total", "Posts to endpoints of webhooks.", "outcome")
DOOR_MESSAGES = _counter(
    "door_messages_total", "Messages on the queue import_requests.", "result",
    values=("accepted", "refused", "malformed"),
)  # fmt: skip
HTTP_REQUEST_DURATION = _histogram(
    "http_request_duration_seconds", "Requests to the portal, to the end of their answers.",
    "route", "method", "status_class",
)  # fmt: skip

_BUILD = Gauge("build_info", "1; the release.", ("version", "python"), namespace=PREFIX, registry=REGISTRY)


def status_class(status: int) -> str:
    """A status as a label: `2xx`."""
    return f"{status // 100}xx"


def metrics_answer() -> Answer:
    """`/metrics`: everything that this process has counted, and what it reads when it is asked."""
    _BUILD.labels(version("portal-sync"), platform.python_version()).set(1)
    return Answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
