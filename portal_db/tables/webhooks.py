"""Webhooks: a practice's endpoints that are notified of closed imports, and the deliveries to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.tables.base import Base

#: The `disabled_reason` of an endpoint that its practice has disabled.
DISABLED_BY_HAND = "Disabled by hand."


class WebhookEndpoint(Base):
    """A practice's URL that is notified of closed imports and batches. Its secrets are encrypted with TOKEN_KEYS.

    `failures`: how often it failed or was slow since it last accepted a delivery quickly. `failing_since`: since when no
    delivery has succeeded. `slow_since`: since when none has quickly. `disabled_at`: since when nothing is sent, for
    `disabled_reason`, until a test succeeds. A removed endpoint keeps its row, for its deliveries, but no secret.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[bytes | None]
    #: The previous secret, which signs too for a while after a rotation.
    old_secret: Mapped[bytes | None]
    old_secret_until: Mapped[datetime | None]
    failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    slow_since: Mapped[datetime | None]
    #: Until when nothing is sent after a failure or a slow answer.
    resting_until: Mapped[datetime | None]
    #: The delivery of its last test. While that one's job is open, there is no other.
    test_id: Mapped[UUID | None]
    #: The job that is posting to it, and until when at most: nobody else does meanwhile.
    sending_job_id: Mapped[UUID | None]
    sending_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """The delivery of one event to one endpoint, once: the unique index decides. Its job has the attempts and errors.

    `payload` holds ids, states and codes only.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_webhook_deliveries_listing", "endpoint_id", "created_at"),
        Index("ix_webhook_deliveries_job", "job_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event_id: Mapped[UUID]
    event: Mapped[str] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    #: Its job, which retention deletes first.
    job_id: Mapped[UUID]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    #: The HTTP status of the last answer, if there was any.
    status: Mapped[int | None]
