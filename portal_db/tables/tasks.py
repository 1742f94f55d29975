"""Tasks that staff send to clients, and the people who act for an entity and receive its tasks."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import ConnectionAccess, EmailState, TaskKind, TaskState
from portal_db.tables.base import Base


class EntityConnection(Base):
    """A team member who acts for the entity. The row only records that; nobody is invited."""

    __tablename__ = "entity_connections"
    __table_args__ = (ForeignKeyConstraint(["practice_id", "client_id"], ["clients.practice_id", "clients.id"]),)

    team_member_id: Mapped[UUID] = mapped_column(ForeignKey("team_members.id"), primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID] = mapped_column(index=True)
    access: Mapped[ConnectionAccess]
    added_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    added_at: Mapped[datetime]


class Task(Base):
    """Something a client is asked to do by a due date; an entity's task goes to one of its connections."""

    __tablename__ = "tasks"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "client_id"], ["clients.practice_id", "clients.id"]),
        UniqueConstraint("practice_id", "idempotency_key"),
        Index("ix_tasks_client", "client_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID]
    #: The connection who receives an entity's task; `None` for a person's task, and once the connection was removed.
    team_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("team_members.id"), index=True)
    kind: Mapped[TaskKind]
    title: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(5000))
    due_date: Mapped[date]
    state: Mapped[TaskState]
    sent_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    #: What the client wrote when they completed it.
    answer: Mapped[str | None] = mapped_column(String(5000))


class TaskEmail(Base):
    """The email that tells a client of a task. `sending_token` is the lease under which the intent to send was committed."""

    __tablename__ = "task_emails"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), index=True)
    state: Mapped[EmailState]
    sending_token: Mapped[UUID | None]
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
