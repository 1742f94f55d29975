"""Holding on to a running job while its attempt writes something before its end: one that lost it writes nothing."""

from __future__ import annotations

from sqlalchemy import select

from portal_db.database import Tx
from portal_db.jobs import Lease, LeaseLost, holds
from portal_db.tables import Job


def lease_of(job: Job) -> Lease:
    """The lease under which a claimed job runs.

    Raises:
        LeaseLost: it has none.
    """
    if job.lease_token is None or job.lease_owner is None:
        raise LeaseLost(f"job {job.id} has no lease")
    return Lease(job.id, job.lease_token, job.lease_owner)


def hold(tx: Tx, job: Job) -> None:
    """Keep a running job ours until this transaction ends; nothing of it changes.

    Raises:
        LeaseLost: it is not ours any more; the caller's transaction must roll back.
    """
    if tx.session.scalar(select(Job.id).where(holds(lease_of(job))).with_for_update()) is None:
        raise LeaseLost(f"job {job.id} is no longer ours")
