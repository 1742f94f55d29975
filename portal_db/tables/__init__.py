"""All tables: importing this package registers them with `Base.metadata`."""

from portal_db.tables.access import (
    ApiKey,
    ClientSession,
    OperatorSession,
    PasswordLink,
    PasswordReset,
    SecurityNotice,
    SignInEntry,
    StaffSession,
)
from portal_db.tables.base import Base
from portal_db.tables.bulk_acts import BulkAct
from portal_db.tables.changes import ClientChange, RelationshipSync
from portal_db.tables.clients import (
    Client,
    ClientField,
    ClientVisibility,
    CoOwner,
    FieldConflict,
    Relationship,
    TeamMember,
    XpmLink,
)
from portal_db.tables.daily_counts import DailyCount
from portal_db.tables.directories import BusinessStructure, Directory, DirectoryStaged, DirectorySync, same_directory
from portal_db.tables.emails import CoOwnerInvitation, WelcomeEmail
from portal_db.tables.kept_forms import KeptForm
from portal_db.tables.looks import PracticeLook
from portal_db.tables.passkeys import Passkey, PasskeyChallenge
from portal_db.tables.people import Login, Operator, Practice, Staff
from portal_db.tables.producers import Producer, ProducerPractice
from portal_db.tables.saved_filters import SavedFilter
from portal_db.tables.schedules import Schedule, ScheduledRun
from portal_db.tables.second_factors import PendingSignIn, RecoveryCode, SecondFactor
from portal_db.tables.tasks import EntityConnection, Task, TaskEmail
from portal_db.tables.terms import Terms, TermsAcceptance
from portal_db.tables.upkeep import BreakingRevision, Erasure, Restore
from portal_db.tables.webhooks import DISABLED_BY_HAND, WebhookDelivery, WebhookEndpoint
from portal_db.tables.work import (
    AuditEntry,
    Batch,
    Import,
    ImportEvent,
    Job,
    JobAttempt,
    Leader,
    MalformedMessage,
    Outage,
    Pause,
)
from portal_db.tables.workers import Worker, WorkerKind
from portal_db.tables.xero import (
    DirectoryRecord,
    ReconnectNotice,
    XeroConsent,
    XeroLogin,
    XpmConnection,
    is_live_connection,
)

__all__ = [
    "DISABLED_BY_HAND",
    "ApiKey",
    "AuditEntry",
    "Base",
    "Batch",
    "BreakingRevision",
    "BulkAct",
    "BusinessStructure",
    "Client",
    "ClientChange",
    "ClientField",
    "ClientSession",
    "ClientVisibility",
    "CoOwner",
    "CoOwnerInvitation",
    "DailyCount",
    "Directory",
    "DirectoryRecord",
    "DirectoryStaged",
    "DirectorySync",
    "EntityConnection",
    "Erasure",
    "FieldConflict",
    "Import",
    "ImportEvent",
    "Job",
    "JobAttempt",
    "KeptForm",
    "Leader",
    "Login",
    "MalformedMessage",
    "Operator",
    "OperatorSession",
    "Outage",
    "Passkey",
    "PasskeyChallenge",
    "PasswordLink",
    "PasswordReset",
    "Pause",
    "PendingSignIn",
    "Practice",
    "PracticeLook",
    "Producer",
    "ProducerPractice",
    "ReconnectNotice",
    "RecoveryCode",
    "Relationship",
    "RelationshipSync",
    "Restore",
    "SavedFilter",
    "Schedule",
    "ScheduledRun",
    "SecondFactor",
    "SecurityNotice",
    "SignInEntry",
    "Staff",
    "StaffSession",
    "Task",
    "TaskEmail",
    "TeamMember",
    "Terms",
    "TermsAcceptance",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WelcomeEmail",
    "Worker",
    "WorkerKind",
    "XeroConsent",
    "XeroLogin",
    "XpmConnection",
    "XpmLink",
    "is_live_connection",
    "same_directory",
]
