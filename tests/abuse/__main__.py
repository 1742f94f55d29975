"""Attack a portal over loopback, and print what it costs others. The exit code is 1 if a bound is broken."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.abuse.attacks import ATTACKS, STREAMS, bombs
from tests.abuse.site import API, Site, started
from tests.abuse.watch import watching

#: What an attack may cost: of `/healthz`, of the neighbour's email and webhook, of the web process's memory, and of one
#: person's open streams.
MOST_MS, MOST_SECONDS, MOST_MB, MOST_STREAMS = 200.0, 2.0, 300.0, 6
#: How often the two paths are asked.
HEALTH_EVERY_SECONDS, CLIENTS_EVERY_SECONDS = 0.02, 0.1


@dataclass(frozen=True)
class Cost:
    """What an attack cost.

    clients_ms: the worst answer of the neighbour's client list, which has no bound.
    streams: how many of the attacker's were opened at once, if they asked for any.
    """

    health_ms: float
    clients_ms: float
    email_seconds: float
    webhook_seconds: float
    web_mb: float
    streams: int | None = None

    @property
    def broken(self) -> list[str]:
        """The bounds that are broken."""
        measured = (
            (self.health_ms, MOST_MS, "/healthz took {:.0f} ms, more than {:.0f}"),
            (self.email_seconds, MOST_SECONDS, "another firm's email took {:.1f} s, more than {:.0f}"),
            (self.webhook_seconds, MOST_SECONDS, "another firm's webhook took {:.1f} s, more than {:.0f}"),
            (self.web_mb, MOST_MB, "the web process held {:.0f} MB, more than {:.0f}"),
            (self.streams or 0, MOST_STREAMS, "{} streams of one person were opened, more than {}"),
        )
        return [words.format(found, most) for found, most, words in measured if found > most]


def suffer(site: Site, name: str) -> Cost:
    """Attack, and measure meanwhile."""
    with (
        watching(site.url, "/healthz", every_seconds=HEALTH_EVERY_SECONDS) as health,
        watching(site.url, f"{API}/clients", site.neighbour.partner, every_seconds=CLIENTS_EVERY_SECONDS) as clients,
    ):
        with ATTACKS[name](site):
            seconds = round(site.email_seconds(), 2), round(site.webhook_seconds(), 2)
        return Cost(
            round(health.value, 1),
            round(clients.value, 1),
            *seconds,
            round(site.web_megabytes, 1),
            site.streams_opened,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, attack, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=list(ATTACKS), help=f"one of {', '.join(ATTACKS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    costs: dict[str, Cost] = {}
    with bombs() as url, started(url) as site:
        for name in [given.only] if given.only else ATTACKS:
            costs[name] = suffer(site, name)
            if not given.json:
                cost = costs[name]
                print(
                    f"{name:18} /healthz {cost.health_ms:6.0f} ms   /clients {cost.clients_ms:6.0f} ms"
                    f"   another firm's email {cost.email_seconds:5.2f} s   webhook {cost.webhook_seconds:5.2f} s"
                    f"   web {cost.web_mb:4.0f} MB"
                    + (f"   {cost.streams} of {STREAMS} streams opened" if cost.streams is not None else ""),
                    flush=True,
                )
    broken = [f"{name}: {words}" for name, cost in costs.items() for words in cost.broken]
    if given.json:
        print(json.dumps({"attacks": {name: asdict(cost) for name, cost in costs.items()}, "broken": broken}))
    print("\n".join(broken), file=sys.stderr) if broken else None
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
