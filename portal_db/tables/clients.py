"""The portal's clients: who they are, who sees them, their XPM link, their fields, their relationships and team."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from portal_db.states import ClientKind, ClientType, EntityType, FieldSource, ReviewState, Subscription
from portal_db.tables.base import Base, KeyOf, partial_index


class Client(Base):
    """A client of a practice: an individual with a login, or an entity with a name and one of nine types."""

    __tablename__ = "clients"
    __table_args__ = (
        #: One client per import, even if a message is delivered twice (invariant 2).
        UniqueConstraint("import_id"),
        UniqueConstraint("practice_id", "id"),
        CheckConstraint(
            "(kind = 'individual' AND login_id IS NOT NULL AND client_type IS NOT NULL AND subscription IS NOT NULL"
            " AND entity_type IS NULL)"
            " OR (kind = 'entity' AND login_id IS NULL AND client_type IS NULL AND subscription IS NULL"
            " AND entity_type IS NOT NULL)",
            name="shape",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    kind: Mapped[ClientKind]
    #: The name that lists show; always the value of the field `name`.
    name: Mapped[str] = mapped_column(String(500))
    #: The name in the form that is searched. `None` where an earlier release wrote it, until the next housekeeping.
    name_key: Mapped[str | None] = mapped_column(String(500), insert_default=KeyOf("name"))
    #: The name in the form that lists are sorted by: people by their last names.
    sort_key: Mapped[str | None] = mapped_column(String(500), insert_default=KeyOf("name"))
    #: How a person is addressed; `None` if their name does not tell.
    given_name: Mapped[str | None] = mapped_column(String(500))
    entity_type: Mapped[EntityType | None]
    client_type: Mapped[ClientType | None]
    subscription: Mapped[Subscription | None]
    login_id: Mapped[UUID | None] = mapped_column(ForeignKey("logins.id"), unique=True)
    is_new: Mapped[bool]
    #: Since when it is not in lists, is not invited and gets no tasks.
    archived_at: Mapped[datetime | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]


class ClientVisibility(Base):
    """A staff member who may see a client: at first only the one who imported it (b.7)."""

    __tablename__ = "client_visibility"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)


class XpmLink(Base):
    """A client's link to its XPM record; the row stays when it is disconnected. At most one live link per client, and per
    record in a practice (b.9, b.35): two partial unique indexes decide."""

    __tablename__ = "xpm_links"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "client_id"], ["clients.practice_id", "clients.id"]),
        partial_index(
            "uq_xpm_links_live_record", "practice_id", "xpm_uuid", unique=True, where="disconnected_at IS NULL"
        ),
        partial_index("uq_xpm_links_live_client", "client_id", unique=True, where="disconnected_at IS NULL"),
        Index("ix_xpm_links_client", "client_id"),  # `relationships.link_is_live_of_found`
        partial_index("ix_xpm_links_gone", "gone_at", "id", where="disconnected_at IS NULL AND gone_at IS NOT NULL"),
        partial_index("ix_xpm_links_connection", "connection_id", where="disconnected_at IS NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID]
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("xpm_connections.id"))
    tenant_id: Mapped[str] = mapped_column(String(64))
    xpm_uuid: Mapped[UUID]
    linked_by: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    linked_at: Mapped[datetime]
    disconnected_at: Mapped[datetime | None]
    #: When the record was last checked in XPM, and since when it no longer exists there.
    checked_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
    #: When XPM was asked for the relationships that were merged last, and when the last import of relationships began; none
    #: before the first one.
    told_as_of: Mapped[datetime | None]
    import_begun_at: Mapped[datetime | None]
    #: The content hash of the record whose relationships were merged last: a re-sync skips records that have not changed.
    synced_hash: Mapped[str | None] = mapped_column(String(64))


class ClientField(Base):
    """One field of a client, with where its value came from. `is_override`: staff changed it, so XPM never overwrites it.
    `as_of`: for values from XPM, when it was asked; an older answer never overwrites a newer one."""

    __tablename__ = "client_fields"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    field: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(10_000))
    source: Mapped[FieldSource]
    is_override: Mapped[bool]
    as_of: Mapped[datetime]


class FieldConflict(Base):
    """A value in XPM that was not written, and why, for staff to see (b.17). It never says whose value it is."""

    __tablename__ = "field_conflicts"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.id"), primary_key=True)
    field: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(64))
    noted_at: Mapped[datetime]


class TeamMember(Base):
    """A person or entity around a client, shown in its Team. `xpm_uuid` ties it to one XPM record (b.21, b.22)."""

    __tablename__ = "team_members"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "client_id"], ["clients.practice_id", "clients.id"]),
        partial_index("uq_team_members_record", "client_id", "xpm_uuid", unique=True, where="xpm_uuid IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(500))
    #: A reviewer changed the name, so XPM no longer overwrites it.
    name_is_override: Mapped[bool] = mapped_column(server_default=false())
    relationship: Mapped[str] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(320))
    xpm_uuid: Mapped[UUID | None]
    source: Mapped[FieldSource]
    as_of: Mapped[datetime]


class CoOwner(Base):
    """A team member who co-owns the client's account, with the login that has their email address (b.23)."""

    __tablename__ = "co_owners"

    team_member_id: Mapped[UUID] = mapped_column(ForeignKey("team_members.id"), primary_key=True)
    login_id: Mapped[UUID] = mapped_column(ForeignKey("logins.id"), unique=True)


class Relationship(Base):
    """One relationship of a client as XPM has it, and its review state (b.18 to b.27).

    One row per client, role and other party: "Director" and "Director Of" are one relationship seen from two sides, and a
    later import updates the row instead of adding another (b.27). `label` is XPM's own label, `label_key` the role in a form
    that can be compared. `version` counts changes, so that of two reviewers one wins (b.26).
    """

    __tablename__ = "relationships"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "client_id"], ["clients.practice_id", "clients.id"]),
        UniqueConstraint("client_id", "label_key", "other_xpm_uuid"),
        Index("ix_relationships_other", "practice_id", "other_xpm_uuid"),
        Index("ix_relationships_queue", "practice_id", "state", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    practice_id: Mapped[UUID] = mapped_column(ForeignKey("practices.id"))
    client_id: Mapped[UUID]
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    label: Mapped[str] = mapped_column(String(500))
    label_key: Mapped[str] = mapped_column(String(500))
    other_xpm_uuid: Mapped[UUID]
    other_name: Mapped[str] = mapped_column(String(10_000))
    #: The other party's name and the label in the form that is searched; `None` as for clients.
    search_key: Mapped[str | None] = mapped_column(String(500), insert_default=KeyOf("other_name", "label"))
    number_of_shares: Mapped[int | None] = mapped_column(BigInteger)
    percentage: Mapped[Decimal | None] = mapped_column(Numeric(9, 4))
    start_date: Mapped[date | None]
    end_date: Mapped[date | None]
    #: The other rows in XPM that describe this relationship, where there are several.
    also_told: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    #: Since when XPM no longer has it.
    gone_at: Mapped[datetime | None]
    state: Mapped[ReviewState]
    team_member_id: Mapped[UUID | None] = mapped_column(ForeignKey("team_members.id"))
    version: Mapped[int]
    as_of: Mapped[datetime]
