"""the record

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leaders",
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_leaders")),
    )
    op.create_table(
        "logins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "client", "staff", "operator", name="login_kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
        sa.UniqueConstraint("email_key", name=op.f("uq_logins_email_key")),
    )
    op.create_table(
        "malformed_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_malformed_messages")),
        sa.UniqueConstraint("digest", name=op.f("uq_malformed_messages_digest")),
    )
    op.create_table(
        "practices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("mfa_mandatory", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_practices")),
    )
    op.create_table(
        "xero_logins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("xero_user_id", sa.String(length=64), nullable=False),
        sa.Column("access_token", sa.LargeBinary(), nullable=True),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("access_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("refresh_lease", sa.Uuid(), nullable=True),
        sa.Column("refresh_lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refresh_failures", sa.Integer(), nullable=False),
        sa.Column("cooling_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_logins")),
        sa.UniqueConstraint("xero_user_id", name=op.f("uq_xero_logins_xero_user_id")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=True),
        sa.Column(
            "actor",
            sa.Enum(
                "system", "staff", "operator", name="actor_kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("before", sa.String(length=200), nullable=True),
        sa.Column("after", sa.String(length=200), nullable=True),
        sa.Column("why", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_audit_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_subject", "audit", ["subject", "subject_id"], unique=False)
    op.create_table(
        "directory_records",
        sa.Column("xero_login_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("xpm_uuid", sa.Uuid(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["xero_login_id"], ["xero_logins.id"], name=op.f("fk_directory_records_xero_login_id")),
        sa.PrimaryKeyConstraint("xero_login_id", "tenant_id", "xpm_uuid", name=op.f("pk_directory_records")),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_operators_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("login_id", name=op.f("uq_operators_login_id")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "owner",
                "account_admin",
                "partner",
                "manager",
                "basic",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_staff_login_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_staff_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("login_id", name=op.f("uq_staff_login_id")),
    )
    op.create_index(op.f("ix_staff_practice_id"), "staff", ["practice_id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_batches_practice_id")),
        sa.ForeignKeyConstraint(["requested_by"], ["staff.id"], name=op.f("fk_batches_requested_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("practice_id", "idempotency_key", name=op.f("uq_batches_practice_id_idempotency_key")),
    )
    op.create_table(
        "pauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=True),
        sa.Column(
            "lane",
            sa.Enum(
                "interactive",
                "import",
                "resync",
                "email",
                name="lane",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("kind", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("paused_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["paused_by"], ["operators.id"], name=op.f("fk_pauses_paused_by")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_pauses_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
    )
    op.create_table(
        "xpm_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("xero_login_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("tenant_name", sa.String(length=200), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "connected",
                "broken",
                "disconnected",
                name="connection_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("broken_code", sa.String(length=64), nullable=True),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("breaks", sa.Integer(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_xpm_connections_practice_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_xpm_connections_staff_id")),
        sa.ForeignKeyConstraint(["xero_login_id"], ["xero_logins.id"], name=op.f("fk_xpm_connections_xero_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xpm_connections")),
    )
    op.create_index(op.f("ix_xpm_connections_practice_id"), "xpm_connections", ["practice_id"], unique=False)
    op.create_index(op.f("ix_xpm_connections_xero_login_id"), "xpm_connections", ["xero_login_id"], unique=False)
    op.create_index(
        "uq_xpm_connections_live_staff",
        "xpm_connections",
        ["staff_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'disconnected'"),
        postgresql_where=sa.text("state <> 'disconnected'"),
    )
    op.create_table(
        "xero_consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("xero_login_id", sa.Uuid(), nullable=True),
        sa.Column("choices", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_xero_consents_practice_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_xero_consents_staff_id")),
        sa.ForeignKeyConstraint(["xero_login_id"], ["xero_logins.id"], name=op.f("fk_xero_consents_xero_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xero_consents")),
        sa.UniqueConstraint("state_hash", name=op.f("uq_xero_consents_state_hash")),
    )
    op.create_table(
        "reconnect_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "sending",
                "sent",
                "refused",
                "unknown",
                "cancelled",
                name="email_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("sending_token", sa.Uuid(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["xpm_connections.id"], name=op.f("fk_reconnect_notices_connection_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconnect_notices")),
        sa.UniqueConstraint("connection_id", "number", name=op.f("uq_reconnect_notices_connection_id_number")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("xpm_uuid", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("individual", "entity", name="client_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=500), nullable=True),
        sa.Column(
            "entity_type",
            sa.Enum(
                "Company",
                "Joint Venture",
                "Other",
                "Partnership",
                "Private Company",
                "Public Company",
                "Sole Trader",
                "Super Fund",
                "Trust",
                name="entity_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column(
            "client_type",
            sa.Enum("Personal", "Business", name="client_type", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column(
            "subscription",
            sa.Enum("Starter", "Pro", name="subscription", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("send_welcome_email", sa.Boolean(), nullable=False),
        sa.Column("bring_details", sa.Boolean(), nullable=False),
        sa.Column("bring_relationships", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "accepted",
                "in_progress",
                "waiting",
                "succeeded",
                "partly_succeeded",
                "rejected",
                "failed",
                "cancelled",
                name="import_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epoch_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("outcome_code", sa.String(length=64), nullable=True),
        sa.Column("outcome_field", sa.String(length=64), nullable=True),
        sa.Column("outcome_message", sa.String(length=1000), nullable=True),
        sa.Column("outcome_remedy", sa.String(length=1000), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_imports_batch_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_imports_practice_id")),
        sa.ForeignKeyConstraint(["requested_by"], ["staff.id"], name=op.f("fk_imports_requested_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("batch_id", "position", name=op.f("uq_imports_batch_id_position")),
        sa.UniqueConstraint("practice_id", "idempotency_key", name=op.f("uq_imports_practice_id_idempotency_key")),
    )
    op.create_index("ix_imports_batch_email", "imports", ["batch_id", "email_key"], unique=False)
    op.create_index("ix_imports_listing", "imports", ["practice_id", "created_at"], unique=False)
    op.create_index("ix_imports_record", "imports", ["practice_id", "xpm_uuid"], unique=False)
    op.create_index(
        "ix_imports_unresolved",
        "imports",
        ["batch_id", "position"],
        unique=False,
        sqlite_where=sa.text("batch_id IS NOT NULL AND resolved_at IS NULL"),
        postgresql_where=sa.text("batch_id IS NOT NULL AND resolved_at IS NULL"),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum("individual", "entity", name="client_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column(
            "entity_type",
            sa.Enum(
                "Company",
                "Joint Venture",
                "Other",
                "Partnership",
                "Private Company",
                "Public Company",
                "Sole Trader",
                "Super Fund",
                "Trust",
                name="entity_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "client_type",
            sa.Enum("Personal", "Business", name="client_type", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column(
            "subscription",
            sa.Enum("Starter", "Pro", name="subscription", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("login_id", sa.Uuid(), nullable=True),
        sa.Column("is_new", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'individual' AND login_id IS NOT NULL AND client_type IS NOT NULL AND subscription IS NOT NULL AND entity_type IS NULL) OR (kind = 'entity' AND login_id IS NULL AND client_type IS NULL AND subscription IS NULL AND entity_type IS NOT NULL)",
            name=op.f("ck_clients_shape"),
        ),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk_clients_created_by")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_clients_import_id")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_clients_login_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_clients_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("import_id", name=op.f("uq_clients_import_id")),
        sa.UniqueConstraint("login_id", name=op.f("uq_clients_login_id")),
        sa.UniqueConstraint("practice_id", "id", name=op.f("uq_clients_practice_id_id")),
    )
    op.create_table(
        "import_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "accepted",
                "in_progress",
                "waiting",
                "succeeded",
                "partly_succeeded",
                "rejected",
                "failed",
                "cancelled",
                name="import_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_events_import_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_import_events_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_events")),
        sa.UniqueConstraint("import_id", "epoch", name=op.f("uq_import_events_import_id_epoch")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column(
            "lane",
            sa.Enum(
                "interactive",
                "import",
                "resync",
                "email",
                name="lane",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("interactive", sa.Boolean(), nullable=False),
        sa.Column("in_batch_order", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=200), nullable=False),
        sa.Column("deadline_seconds", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "waiting",
                "succeeded",
                "rejected",
                "dead",
                "cancelled",
                "dismissed",
                name="job_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("deferrals", sa.Integer(), nullable=False),
        sa.Column("lost_leases", sa.Integer(), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_owner", sa.String(length=100), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "error_class",
            sa.Enum(
                "rejected",
                "deferred",
                "transient",
                "connection",
                "unknown",
                "permanent",
                name="error_class",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_field", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(length=1000), nullable=True),
        sa.Column("error_action", sa.String(length=1000), nullable=True),
        sa.Column("trace_context", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_jobs_import_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_jobs_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_jobs_dedupe_key")),
    )
    op.create_index("ix_jobs_import", "jobs", ["import_id", "epoch"], unique=False)
    op.create_index("ix_jobs_lease", "jobs", ["lease_owner", "state"], unique=False)
    op.create_index("ix_jobs_open", "jobs", ["state", "practice_id", "lane", "created_at"], unique=False)
    op.create_table(
        "client_fields",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=10000), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "xpm",
                "import",
                "staff",
                "client",
                name="field_source",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("is_override", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_client_fields_client_id")),
        sa.PrimaryKeyConstraint("client_id", "field", name=op.f("pk_client_fields")),
    )
    op.create_table(
        "client_visibility",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_client_visibility_client_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_client_visibility_staff_id")),
        sa.PrimaryKeyConstraint("client_id", "staff_id", name=op.f("pk_client_visibility")),
    )
    op.create_table(
        "field_conflicts",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_field_conflicts_client_id")),
        sa.PrimaryKeyConstraint("client_id", "field", name=op.f("pk_field_conflicts")),
    )
    op.create_table(
        "job_attempts",
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "succeeded",
                "rejected",
                "deferred",
                "transient",
                "connection",
                "unknown",
                "permanent",
                "lease_lost",
                "cancelled",
                name="attempt_outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(length=1000), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_attempts_job_id")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_job_attempts")),
    )
    op.create_index(op.f("ix_job_attempts_job_id"), "job_attempts", ["job_id"], unique=False)
    op.create_table(
        "team_members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("relationship", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("xpm_uuid", sa.Uuid(), nullable=True),
        sa.Column(
            "source",
            sa.Enum(
                "xpm",
                "import",
                "staff",
                "client",
                name="field_source",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "client_id"],
            ["clients.practice_id", "clients.id"],
            name=op.f("fk_team_members_practice_id_client_id"),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_team_members_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_members")),
    )
    op.create_index(
        "uq_team_members_record",
        "team_members",
        ["client_id", "xpm_uuid"],
        unique=True,
        sqlite_where=sa.text("xpm_uuid IS NOT NULL"),
        postgresql_where=sa.text("xpm_uuid IS NOT NULL"),
    )
    op.create_table(
        "welcome_emails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "sending",
                "sent",
                "refused",
                "unknown",
                "cancelled",
                name="email_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("sending_token", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_welcome_emails_client_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_welcome_emails_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_welcome_emails")),
        sa.UniqueConstraint("client_id", name=op.f("uq_welcome_emails_client_id")),
        sa.UniqueConstraint("message_id", name=op.f("uq_welcome_emails_message_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_welcome_emails_token_hash")),
    )
    op.create_table(
        "xpm_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("xpm_uuid", sa.Uuid(), nullable=False),
        sa.Column("linked_by", sa.Uuid(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disconnected_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["connection_id"], ["xpm_connections.id"], name=op.f("fk_xpm_links_connection_id")),
        sa.ForeignKeyConstraint(["linked_by"], ["staff.id"], name=op.f("fk_xpm_links_linked_by")),
        sa.ForeignKeyConstraint(
            ["practice_id", "client_id"],
            ["clients.practice_id", "clients.id"],
            name=op.f("fk_xpm_links_practice_id_client_id"),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_xpm_links_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xpm_links")),
    )
    op.create_index(
        "uq_xpm_links_live_client",
        "xpm_links",
        ["client_id"],
        unique=True,
        sqlite_where=sa.text("disconnected_at IS NULL"),
        postgresql_where=sa.text("disconnected_at IS NULL"),
    )
    op.create_index(
        "uq_xpm_links_live_record",
        "xpm_links",
        ["practice_id", "xpm_uuid"],
        unique=True,
        sqlite_where=sa.text("disconnected_at IS NULL"),
        postgresql_where=sa.text("disconnected_at IS NULL"),
    )
    op.create_table(
        "relationships",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("label", sa.String(length=500), nullable=False),
        sa.Column("label_key", sa.String(length=500), nullable=False),
        sa.Column("other_xpm_uuid", sa.Uuid(), nullable=False),
        sa.Column("other_name", sa.String(length=10000), nullable=False),
        sa.Column("number_of_shares", sa.BigInteger(), nullable=True),
        sa.Column("percentage", sa.Numeric(precision=9, scale=4), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "ignored",
                "imported",
                "linked",
                "superseded",
                name="review_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("team_member_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_relationships_import_id")),
        sa.ForeignKeyConstraint(
            ["practice_id", "client_id"],
            ["clients.practice_id", "clients.id"],
            name=op.f("fk_relationships_practice_id_client_id"),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_relationships_practice_id")),
        sa.ForeignKeyConstraint(["team_member_id"], ["team_members.id"], name=op.f("fk_relationships_team_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relationships")),
        sa.UniqueConstraint(
            "client_id", "label_key", "other_xpm_uuid", name=op.f("uq_relationships_client_id_label_key_other_xpm_uuid")
        ),
    )
    op.create_index("ix_relationships_other", "relationships", ["practice_id", "other_xpm_uuid"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_relationships_other", table_name="relationships")
    op.drop_table("relationships")
    op.drop_index(
        "uq_xpm_links_live_record",
        table_name="xpm_links",
        sqlite_where=sa.text("disconnected_at IS NULL"),
        postgresql_where=sa.text("disconnected_at IS NULL"),
    )
    op.drop_index(
        "uq_xpm_links_live_client",
        table_name="xpm_links",
        sqlite_where=sa.text("disconnected_at IS NULL"),
        postgresql_where=sa.text("disconnected_at IS NULL"),
    )
    op.drop_table("xpm_links")
    op.drop_table("welcome_emails")
    op.drop_index(
        "uq_team_members_record",
        table_name="team_members",
        sqlite_where=sa.text("xpm_uuid IS NOT NULL"),
        postgresql_where=sa.text("xpm_uuid IS NOT NULL"),
    )
    op.drop_table("team_members")
    op.drop_index(op.f("ix_job_attempts_job_id"), table_name="job_attempts")
    op.drop_table("job_attempts")
    op.drop_table("field_conflicts")
    op.drop_table("client_visibility")
    op.drop_table("client_fields")
    op.drop_index("ix_jobs_open", table_name="jobs")
    op.drop_index("ix_jobs_lease", table_name="jobs")
    op.drop_index("ix_jobs_import", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("import_events")
    op.drop_table("clients")
    op.drop_index(
        "ix_imports_unresolved",
        table_name="imports",
        sqlite_where=sa.text("batch_id IS NOT NULL AND resolved_at IS NULL"),
        postgresql_where=sa.text("batch_id IS NOT NULL AND resolved_at IS NULL"),
    )
    op.drop_index("ix_imports_record", table_name="imports")
    op.drop_index("ix_imports_listing", table_name="imports")
    op.drop_index("ix_imports_batch_email", table_name="imports")
    op.drop_table("imports")
    op.drop_table("reconnect_notices")
    op.drop_table("xero_consents")
    op.drop_index(
        "uq_xpm_connections_live_staff",
        table_name="xpm_connections",
        sqlite_where=sa.text("state <> 'disconnected'"),
        postgresql_where=sa.text("state <> 'disconnected'"),
    )
    op.drop_index(op.f("ix_xpm_connections_xero_login_id"), table_name="xpm_connections")
    op.drop_index(op.f("ix_xpm_connections_practice_id"), table_name="xpm_connections")
    op.drop_table("xpm_connections")
    op.drop_table("pauses")
    op.drop_table("batches")
    op.drop_index(op.f("ix_staff_practice_id"), table_name="staff")
    op.drop_table("staff")
    op.drop_table("operators")
    op.drop_table("directory_records")
    op.drop_index("ix_audit_subject", table_name="audit")
    op.drop_table("audit")
    op.drop_table("xero_logins")
    op.drop_table("practices")
    op.drop_table("malformed_messages")
    op.drop_table("logins")
    op.drop_table("leaders")
