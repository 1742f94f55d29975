"""The declarative base: names of constraints, and the column types of Python types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, MetaData, Uuid, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase

from config.folding import name_key
from portal_db import states
from portal_db.types import Choice, UtcDateTime

type_map: dict[Any, Any] = {
    datetime: UtcDateTime(),
    UUID: Uuid(),
    dict[str, Any]: JSON(),
    states.ImportState: Choice(states.ImportState, "import_state"),
    states.JobState: Choice(states.JobState, "job_state"),
    states.Lane: Choice(states.Lane, "lane"),
    states.ErrorClass: Choice(states.ErrorClass, "error_class"),
    states.AttemptOutcome: Choice(states.AttemptOutcome, "attempt_outcome"),
    states.ClientKind: Choice(states.ClientKind, "client_kind"),
    states.EntityType: Choice(states.EntityType, "entity_type"),
    states.ClientType: Choice(states.ClientType, "client_type"),
    states.Subscription: Choice(states.Subscription, "subscription"),
    states.Role: Choice(states.Role, "role"),
    states.LoginKind: Choice(states.LoginKind, "login_kind"),
    states.ConnectionState: Choice(states.ConnectionState, "connection_state"),
    states.EmailState: Choice(states.EmailState, "email_state"),
    states.ReviewState: Choice(states.ReviewState, "review_state"),
    states.FieldSource: Choice(states.FieldSource, "field_source"),
    states.ConnectionAccess: Choice(states.ConnectionAccess, "connection_access"),
    states.TaskKind: Choice(states.TaskKind, "task_kind"),
    states.TaskState: Choice(states.TaskState, "task_state"),
    states.ChangeSource: Choice(states.ChangeSource, "change_source"),
    states.SyncMode: Choice(states.SyncMode, "sync_mode"),
    states.SyncState: Choice(states.SyncState, "sync_state"),
    states.BulkAction: Choice(states.BulkAction, "bulk_action"),
    states.BulkState: Choice(states.BulkState, "bulk_state"),
    states.ActorKind: Choice(states.ActorKind, "actor_kind"),
}


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that match `where`."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class KeyOf:
    """A column's value in a new row: the texts of these columns as searches compare them. Updates write it themselves."""

    def __init__(self, *columns: str) -> None:
        self._columns = columns

    def __call__(self, context: DefaultExecutionContext) -> str:
        return self.of(context.get_current_parameters())  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it

    def of(self, row: Mapping[str, Any]) -> str:
        return name_key(*(row[column] for column in self._columns))


class Base(DeclarativeBase):
    """Every table of the record. Rows are read as objects and written by explicit statements only."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = type_map
