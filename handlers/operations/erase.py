"""A privacy request: erases a person from everything a practice holds, and prevents their data from coming back.

It is one transaction. A rehearsal does the same and rolls back, so it shows exactly what will happen. Ids, times and
outcomes of requests stay, and the audit trail without the person's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from cryptography.fernet import InvalidToken

from handlers import refusals
from handlers.access.act import Act
from handlers.directory.records import columns_of, read_record
from handlers.operations.redact_names import Naming
from handlers.services import Services
from portal_db import audit
from portal_db.database import Tx
from portal_db.states import ActorKind
from portal_db.upkeep import erasures, personal_data
from portal_db.upkeep.personal_data import DataSubject
from portal_db.work import malformed_messages

PAGE = 100
#: Fields whose values are searched for in free text. Other values ("Mr", "Female") fit many people.
NAMING_FIELDS = ("name", "phone", "address", "date_of_birth")


class Messages(Protocol):
    """What erasing needs of the queue. Every method may raise `handlers.operations.reconcile.QueueAway`."""

    def requests(self) -> Iterator[bytes]: ...

    def receipts(self, practice_id: UUID) -> Iterator[str]:
        """The request ids of a practice's receipts."""

    def drop_receipts(self, practice_id: UUID, request_ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class PersonToErase:
    """The person to erase: a client, or an XPM record of a practice."""

    client_id: UUID | None = None
    practice_id: UUID | None = None
    xpm_uuid: UUID | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """Which clients were erased, how many rows were erased or changed, by place, and how many malformed messages could not
    be decrypted and checked."""

    client_ids: Sequence[UUID]
    rows: Mapping[str, int]
    unreadable: int


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


def rehearse(services: Services, messages: Messages, person: PersonToErase, act: Act) -> Erased:
    """What an erasure would do. Changes nothing.

    Raises:
        RequestRefused: as `erase`.
    """
    done: list[Erased] = []
    try:
        with services.database.write() as tx:
            done.append(_erase(tx, services, messages, person, act, rehearsal=True))
            raise _Rehearsed
    except _Rehearsed:
        return done[0]


def erase(services: Services, messages: Messages, person: PersonToErase, act: Act) -> Erased:
    """Erase a person.

    Raises:
        RequestRefused: nobody is known by these ids, or an import of the person is open or waits at the queue door.
        handlers.operations.reconcile.QueueAway: Redis cannot be checked; nothing was done.
    """
    with services.database.write() as tx:
        return _erase(tx, services, messages, person, act, rehearsal=False)


def _erase(
    tx: Tx, services: Services, messages: Messages, person: PersonToErase, act: Act, *, rehearsal: bool
) -> Erased:
    """A rehearsal only reads Redis, and its caller rolls the transaction back."""
    found = _find(tx, person)
    _require_closed(tx, found)
    naming = _naming(tx, found)
    _require_no_request(messages, naming)
    named, unreadable = _malformed(tx, services, naming)
    rows = {
        "malformed messages": personal_data.drop_malformed(tx, named),
        "mentions in XPM records seen": _scrub_records(tx, found),
        "jobs": personal_data.blank_jobs(tx, found),
        **dict(personal_data.remove(tx, found)),
        "addresses in other teams": personal_data.blank_team_email(tx, found.practice_id, naming.addresses),
        "mentions in tasks": _scrub_tasks(tx, found, naming),
        "mentions in the audit trail": _scrub_audit(tx, found, naming),
        "imports": personal_data.blank_imports(tx, found),
    }
    keys = _scrub_keys(tx, found, naming)
    for xpm_uuid in found.xpm_uuids:
        erasures.note(tx, found.practice_id, xpm_uuid)
    _audit(tx, found, act, naming.without(act.why))
    receipts = [
        key for key in messages.receipts(found.practice_id) if key in keys or naming.is_in(key.encode(errors="replace"))
    ]
    rows["receipts"] = len(receipts)
    if not rehearsal:
        messages.drop_receipts(found.practice_id, receipts)
    return Erased(found.client_ids, {place: count for place, count in rows.items() if count}, unreadable)


def _find(tx: Tx, person: PersonToErase) -> DataSubject:
    practice_id = person.practice_id
    if person.client_id is not None:
        practice_id = personal_data.practice_of(tx, person.client_id)
    if practice_id is not None:
        found = personal_data.find_data_subject(tx, practice_id, client_id=person.client_id, xpm_uuid=person.xpm_uuid)
        seen = personal_data.directory_records(tx, found) or personal_data.counterparts(tx, found)
        if found.clients or found.imports or seen:
            return found
    raise refusals.UNKNOWN_PERSON()


def _require_closed(tx: Tx, found: DataSubject) -> None:
    """An open import would restore what is erased now."""
    still_open = [row for row in found.imports if row.state.is_open]
    if still_open or personal_data.open_jobs(tx, found):
        raise refusals.IMPORT_OPEN(import_id=(still_open or found.imports)[0].id)


def _require_no_request(messages: Messages, naming: Naming) -> None:
    if any(naming.is_in(payload) for payload in messages.requests()):
        raise refusals.REQUEST_WAITING()


def _naming(tx: Tx, found: DataSubject) -> Naming:
    addresses: set[str | None] = set()
    words: set[str | None] = {client.name for client in found.clients}
    for login in personal_data.logins(tx, found):
        addresses |= {login.email, login.email_key}
    for row in found.imports:
        # Not of a client whose wrong link to the person's record was undone
        if row.client_id is None or row.client_id in found.client_ids:
            addresses |= {row.email, row.email_key}
            words.add(row.name)
    for field in personal_data.fields(tx, found):
        if field.field == "email":
            addresses.add(field.value)
        elif field.field in NAMING_FIELDS:
            words.add(field.value)
    words |= {item.other_name for item in personal_data.counterparts(tx, found)}
    for found_record in personal_data.directory_records(tx, found):
        addresses.add(found_record.record.get("email"))
        words |= {found_record.record.get(name) for name in ("name", "phone", "date_of_birth")}
    return Naming(found.xpm_uuids, frozenset(filter(None, addresses)), frozenset(filter(None, words)))


def _malformed(tx: Tx, services: Services, naming: Naming) -> tuple[list[UUID], int]:
    """Ids of the malformed messages that name the person, and how many cannot be decrypted."""
    named: list[UUID] = []
    unreadable, after = 0, None
    while rows := malformed_messages.page(tx, after=after, limit=PAGE):
        after = rows[-1].id
        for row in rows:
            try:
                if naming.is_in(services.settings.vault.decrypt(row.payload)):
                    named.append(row.id)
            except InvalidToken:
                unreadable += 1
    return named, unreadable


def _scrub_records(tx: Tx, found: DataSubject) -> int:
    """Remove the person from the relationships of other records in the directory."""
    theirs = {str(uuid) for uuid in found.xpm_uuids}
    records = personal_data.other_directory_records(tx, found)
    for found_record in records:
        others = [row for row in found_record.record.get("relationships", ()) if row.get("related_uuid") not in theirs]
        columns = columns_of(read_record({**found_record.record, "relationships": others}))
        personal_data.rewrite_record(tx, found_record, columns)
    return len(records)


def _scrub_audit(tx: Tx, found: DataSubject, naming: Naming) -> int:
    entries = personal_data.audit_naming(tx, found.practice_id, naming.everything)
    for entry in entries:
        texts: dict[str, Any] = {name: naming.without(getattr(entry, name)) for name in ("why", "before", "after")}
        personal_data.rewrite_audit(tx, entry.id, **texts)
    return len(entries)


def _scrub_tasks(tx: Tx, found: DataSubject, naming: Naming) -> int:
    named = personal_data.tasks_naming(tx, found.practice_id, naming.everything)
    for task in named:
        texts = {name: (naming.without(getattr(task, name)) or "")[:5000] or None for name in ("note", "answer")}
        personal_data.rewrite_task(tx, task.id, title=(naming.without(task.title) or "")[:200], **texts)
    return len(named)


def _scrub_keys(tx: Tx, found: DataSubject, naming: Naming) -> set[str]:
    """Rename idempotency keys that name the person; returns the previous keys."""
    keys = {row.idempotency_key for row in found.imports}
    for row in found.imports:
        if naming.without(row.idempotency_key) != row.idempotency_key:
            personal_data.rename_key(tx, row)
    return keys


def _audit(tx: Tx, found: DataSubject, act: Act, why: str | None) -> None:
    for subject, subject_ids in (("client", found.client_ids), ("xpm_record", sorted(found.xpm_uuids))):
        for subject_id in subject_ids:
            audit.record(
                tx,
                action="person.erase",
                subject=subject,
                subject_id=subject_id,
                practice_id=found.practice_id,
                actor=ActorKind.OPERATOR,
                actor_id=act.actor_id,
                after="erased",
                why=why,
            )
