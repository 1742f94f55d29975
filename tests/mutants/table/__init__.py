"""The mutants, one file per area."""

from tests.mutants.mutant import Mutant
from tests.mutants.table import (
    abuse,
    clients_side,
    connecting,
    delivery,
    deploys,
    directory,
    failover,
    files,
    handlers,
    operations,
    outages,
    pages,
    passwords,
    portal_side,
    record,
    review,
    rows,
    schedule,
    second_factor,
    traces,
    watching,
    xpm,
)

#: Areas in the order in which docs/guards.md shows them.
AREAS: dict[str, tuple[Mutant, ...]] = {
    "Who has a job": record.MUTANTS,
    "What the record holds": rows.MUTANTS,
    "Delivery": delivery.MUTANTS,
    "Outages of the database": failover.MUTANTS,
    "Rolling deploys": deploys.MUTANTS,
    "The use cases": handlers.MUTANTS,
    "Outages of other servers": outages.MUTANTS,
    "Forgery, probing and abuse": abuse.MUTANTS,
    "Uploaded files": files.MUTANTS,
    "The portal after an import": portal_side.MUTANTS,
    "The review queue": review.MUTANTS,
    "The portal's pages": pages.MUTANTS,
    "The clients' side": clients_side.MUTANTS,
    "Passwords": passwords.MUTANTS,
    "What operators do": operations.MUTANTS,
    "The second factor": second_factor.MUTANTS,
    "The schedule": schedule.MUTANTS,
    "Connecting to Xero": connecting.MUTANTS,
    "The directory": directory.MUTANTS,
    "XPM and its quota": xpm.MUTANTS,
    "Watching it": watching.MUTANTS,
    "Traces": traces.MUTANTS,
}
MUTANTS: tuple[Mutant, ...] = tuple(mutant for area in AREAS.values() for mutant in area)
