"""Whose turn it is to post: one delivery at a time to an endpoint, and few to all endpoints of a practice.

A turn is claimed by compare-and-set. It ends with the delivery's outcome, or by itself if its worker was killed. Claims and
ends of a practice's turns follow one another, since each locks the practice's endpoints: so there are never too many, and a
delivery that is just going to wait does not miss the end of the turn that it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, case, or_, select

from portal_db.database import Tx
from portal_db.dialect import update_rows
from portal_db.states import JobState, Lane
from portal_db.tables import Job, WebhookDelivery, WebhookEndpoint
from portal_db.types import db_now, has_ended
from portal_db.work.due import due_in, is_in

#: The error codes of a delivery that waits for its turn, and of one whose endpoint was disabled.
BUSY_CODE, DISABLED_CODE = "webhook_busy", "webhook_disabled"


@dataclass(frozen=True, slots=True)
class Turns:
    """How turns are given.

    Args:
        lasts_seconds: after this time a turn ends by itself.
        most: deliveries of one practice at a time.
    """

    lasts_seconds: float
    most: int

    def take(self, tx: Tx, practice_id: UUID, delivery_id: UUID, job_id: UUID) -> float | None:
        """Claim a turn for a delivery's job; a job that has one already, from a worker that was killed, goes on with it.

        Returns:
            `None`, or how many seconds the delivery has to wait at most.
        """
        others = self._others(tx, practice_id, job_id)
        if len(others) < self.most:
            endpoint_id = select(WebhookDelivery.endpoint_id).where(WebhookDelivery.id == delivery_id).scalar_subquery()
            is_free = or_(
                WebhookEndpoint.sending_job_id == job_id, has_ended(WebhookEndpoint.sending_until, self.lasts_seconds)
            )
            until = db_now(self.lasts_seconds)
            claim = (WebhookEndpoint.id == endpoint_id, is_free)
            if update_rows(tx, WebhookEndpoint, *claim, sending_job_id=job_id, sending_until=until):
                return None
        return min(others, default=self.lasts_seconds)

    def end(self, tx: Tx, practice_id: UUID, job_id: UUID) -> None:
        """End a job's turn, if it has one. While there is room, the delivery that has waited longest is due: tests first.
        One whose endpoint was disabled waits for its turn again once the endpoint is enabled."""
        mine = (WebhookEndpoint.practice_id == practice_id, WebhookEndpoint.sending_job_id == job_id)
        update_rows(tx, WebhookEndpoint, *mine, sending_job_id=None, sending_until=None)
        if len(self._others(tx, practice_id, job_id)) >= self.most:
            return
        is_test = case((WebhookEndpoint.test_id == WebhookDelivery.id, 0), else_=1)
        is_enabled_again = and_(Job.error_code == DISABLED_CODE, WebhookEndpoint.disabled_at.is_(None))
        longest = (
            select(Job.id)
            .join(WebhookDelivery, WebhookDelivery.job_id == Job.id)
            .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
            .where(Job.practice_id == practice_id, Job.lane == Lane.WEBHOOKS, Job.interactive.is_(False))
            .where(is_in(JobState.WAITING), Job.rung_at.is_(None), or_(Job.error_code == BUSY_CODE, is_enabled_again))
            .where(Job.next_attempt_at > db_now(), has_ended(WebhookEndpoint.sending_until, self.lasts_seconds))
            .order_by(is_test, Job.created_at, Job.id)
            .limit(1)
            # One that somebody has locked is about to run.
            .with_for_update(of=Job, skip_locked=True)
        )
        following = tx.session.scalar(longest)
        if following is not None:
            update_rows(tx, Job, Job.id == following, Job.state == JobState.WAITING, **due_in(0))

    def _others(self, tx: Tx, practice_id: UUID, job_id: UUID) -> list[float]:
        """The seconds that the turns of a practice's other jobs last at most. The practice's endpoints are locked."""
        statement = (
            select(WebhookEndpoint.sending_job_id, WebhookEndpoint.sending_until, db_now())
            .where(WebhookEndpoint.practice_id == practice_id)
            .where(or_(WebhookEndpoint.removed_at.is_(None), WebhookEndpoint.sending_job_id.is_not(None)))
            .order_by(WebhookEndpoint.id)
            .with_for_update(key_share=True)
        )
        found = tx.session.execute(statement).all()
        left = [(until - now).total_seconds() for job, until, now in found if until is not None and job != job_id]
        return [seconds for seconds in left if 0 < seconds <= self.lasts_seconds]
