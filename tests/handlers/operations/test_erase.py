"""A privacy request: nothing of the person is left, neighbours are as they were, and no late job brings them back."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from handlers.access.act import Act
from handlers.access.practices import add_operator
from handlers.errors import RequestRefused
from handlers.imports import relationships
from handlers.operations.erase import Erased, PersonToErase, erase, rehearse
from handlers.operations.reconcile import QueueAway
from portal_db import audit, co_owner_invitations
from portal_db.access import credentials, people, terms
from portal_db.access.credentials import SessionOwner
from portal_db.clients import clients, task_emails, tasks, team
from portal_db.database import Tx
from portal_db.directory import directories
from portal_db.states import FieldSource, ImportState, JobState, LoginKind, TaskKind
from portal_db.tables import (
    Base,
    Client,
    DirectoryRecord,
    EntityConnection,
    Erasure,
    Job,
    JobAttempt,
    Relationship,
    SecondFactor,
    SignInEntry,
    Task,
    TeamMember,
)
from portal_db.types import database_time, db_now
from portal_db.work import jobs
from portal_db.xero import connections, logins
from tests.handlers.directory.given import directory_of, synced
from tests.handlers.given import bring, change, items_of, link_entity, record_of, related, requeue, take_login
from tests.handlers.operations.conftest import queues_of
from tests.handlers.operations.given import bring_details
from tests.making import failure, importable
from tests.servers.redis import RedisServer
from tests.worker.queue.desk import Desk, message
from tests.world import TENANT, World, connect_practice
from worker.queue.door import QUEUE
from xpm.simulator.serve import SimulatorHandle


@dataclass
class Case:
    """A person with everything that a portal may hold of one, and their neighbours."""

    desk: Desk
    simulator: SimulatorHandle
    operator_id: UUID
    #: The person's and a neighbour's XPM records.
    uuid: UUID
    neighbour: UUID
    #: Everything by which the person could be told.
    strings: tuple[str, ...]
    client_id: UUID

    @property
    def world(self) -> World:
        return self.desk.world

    def erase(self, **who: Any) -> Erased:
        person = PersonToErase(**(who or {"client_id": self.client_id}))
        why = f"Request 17 of {self.strings[0]}"
        return erase(self.desk.services, queues_of(self.desk), person, Act(self.operator_id, why))

    def rehearse(self) -> Erased:
        person = PersonToErase(client_id=self.client_id)
        return rehearse(self.desk.services, queues_of(self.desk), person, Act(self.operator_id, "rehearsal"))


@pytest.fixture
def case(own_world: World, own_simulator: SimulatorHandle, redis_url: str, seed: int) -> Iterator[Case]:
    desk = Desk.at(own_world, redis_url)
    chance = random.Random(seed)
    mark = "".join(chance.choices("bcdfghjkmnpqrstvwxz", k=7))
    name, email = f'Žofie O\'{mark.title()} "Zo"', f"Zofie.{mark}+x@Example.com"
    phone, street = f"0491 {chance.randrange(10**6):06d}", f"{chance.randrange(900)} {mark} Lane"
    first, second, spouse = importable(own_simulator)[:3]
    change(own_simulator, first.uuid, name=name, email=email, phone=phone, address={"street": street})
    change(own_simulator, first.uuid, date_of_birth=f"19{chance.randrange(10, 99)}-02-03", first_name=f"Z{mark}")
    for other in (second, spouse):
        change(own_simulator, other.uuid, relationships=[{"label": "Spouse", "related_uuid": str(first.uuid)}])
    born = str(first.date_of_birth)
    strings = (name, email, email.casefold(), phone, street, born, mark)
    operator_id = add_operator(own_world.database, "Sam", "sam@platform.example")
    # A first import is turned down, because the address is somebody else's; the second one brings the person
    batch = own_world.request(first.uuid, name=name, email="taken@example.com", request_id=f"for {email}")
    take_login(own_world, "taken@example.com")
    own_world.ask_batch([batch])
    own_world.run_due()
    own_world.run_import(first.uuid, send_welcome_email=True, name=name, email=email)
    for other in (second, spouse):
        own_world.run_import(other.uuid, send_welcome_email=True)
    with own_world.database.read() as tx:
        client_id = tx.session.scalars(select(Client.id).where(Client.name == name)).one()
    made = Case(desk, own_simulator, operator_id, first.uuid, second.uuid, strings, client_id)
    mention(made)
    yield made
    desk.client.close()


def mention(case: Case) -> None:
    """Let the person be named wherever somebody could have named them."""
    name, email = case.strings[:2]
    world, desk = case.world, case.desk
    practice = {"practice_id": world.practice_id}
    with world.database.write() as tx:
        relationship = tx.session.scalars(select(Relationship).where(Relationship.other_xpm_uuid == case.uuid)).first()
        assert relationship is not None
        member = {"relationship": "Spouse", "source": FieldSource.XPM, "as_of": db_now(), **practice}
        for values in (
            {"name": name, "email": email, "client_id": relationship.client_id},
            {"name": "Their accountant", "email": email.upper(), "client_id": relationship.client_id},
            {"name": "Somebody's boss", "email": "boss@example.com", "client_id": case.client_id},
        ):
            tx.session.execute(insert(TeamMember).values(id=tx.new_id(), **values, **member))
        linked = tx.session.scalars(select(TeamMember.id).where(TeamMember.name == name)).one()
        acts = {"client_id": relationship.client_id, "added_by": world.staff_id, "access": "none", **practice}
        tx.session.execute(insert(EntityConnection).values(team_member_id=linked, **acts, added_at=db_now()))
        ask = {"sent_by": world.staff_id, "fingerprint": "", "kind": TaskKind.TO_DO, "due_date": date(2030, 1, 1)}
        for number, (client, receiver, title) in enumerate((
            (case.client_id, None, "Sign your form"),
            (relationship.client_id, linked, f"A form for {name}"),
            (relationship.client_id, None, f"Ask {name} to ring"),
        )):  # fmt: skip
            row = {
                "id": tx.new_id(),
                "client_id": client,
                "team_member_id": receiver,
                "title": title,
                **ask,
                **practice,
            }
            assert tasks.add(tx, {**row, "note": None, "idempotency_key": str(number)})
        sign_in(case, tx, f"browser of {name}")
        owner = tx.new_id()
        assert people.add_login(tx, owner, LoginKind.CLIENT, f"as-owner-{email}", f"as-owner-{email}".casefold())
        team.make_co_owner(tx, linked, owner)
        assert co_owner_invitations.add(tx, owner)
        tx.session.execute(
            update(Relationship).where(Relationship.id == relationship.id).values(team_member_id=linked, state="linked")
        )
        theirs = [*tx.session.scalars(select(Job.id).where(Job.import_id.in_(imports_of(case))))]
        tx.session.execute(update(Job).where(Job.id.in_(theirs)).values(error_message=f"{name} is no number"))
        tx.session.execute(update(JobAttempt).where(JobAttempt.job_id.in_(theirs)).values(error_message=email))
        told = {"action": "job.dismiss", "subject": "job", **practice}
        audit.record(tx, **told, subject_id=theirs[0], why=f"{name} rang up, {email.lower()}")  # type: ignore[arg-type]
        audit.record(tx, **told, subject_id=theirs[0], why="A neighbour rang up.")  # type: ignore[arg-type]
    bad = {"kind": "dragon", "request_id": f"again {email}"}
    door = desk.door()
    door.take({**world.request(case.uuid).model_dump(mode="json"), **bad})
    door.take({**world.request(case.neighbour, name="Another").model_dump(mode="json"), "kind": "dragon"})
    door.take(world.request(case.neighbour).model_dump(mode="json"))
    door.keep_malformed(QUEUE, f"<import>{email}</import>".encode())
    door.keep_malformed(QUEUE, json.dumps({"name": name}).encode())
    world.run_due()
    desk.door().take({**world.request(case.uuid).model_dump(mode="json"), "request_id": f"late {email}"})
    world.run_due()


def sign_in(case: Case, tx: Tx, agent: str) -> None:
    """The person has an account: a session, a second factor, the email of a task, and accepted the terms."""
    login_id = tx.session.scalars(select(Client.login_id).where(Client.id == case.client_id)).one()
    assert login_id is not None
    practice_id, staff_id = case.world.practice_id, case.world.staff_id
    row = {"id": tx.new_id(), "token_hash": "x", "address": "192.0.2.1", "agent": agent}
    owner = SessionOwner(LoginKind.CLIENT, login_id)
    credentials.begin_session(tx, owner, row, idle_seconds=60, seconds=60, is_confirmed=True)
    entry = {"id": tx.new_id(), "at": db_now(), "practice_id": practice_id, "event": "signed_in", "agent": agent}
    tx.session.execute(insert(SignInEntry).values(**entry, login_id=login_id))
    tx.session.execute(insert(SecondFactor).values(login_id=login_id, tries=0))
    terms.add(tx, {"practice_id": practice_id, "text": "Be kind.", "url": None, "set_by": staff_id})
    shown = terms.newest(tx, practice_id)
    assert shown is not None
    terms.accept(tx, login_id, shown.id)
    task_id = tx.session.scalars(select(Task.id).where(Task.client_id == case.client_id)).one()
    task_emails.add(tx, task_id, login_id)
    tx.session.execute(update(Task).where(Task.title.contains("to ring")).values(answer=f"{agent} did"))


def imports_of(case: Case) -> list[UUID]:
    with case.world.database.read() as tx:
        found = tx.connection.execute(select(Base.metadata.tables["imports"])).mappings().all()
    return [row["id"] for row in found if row["xpm_uuid"] == case.uuid]


Rows = dict[tuple[str, str], str]


def rows(case: Case) -> Rows:
    """Every row of every table as text, by table and key; what is encrypted is opened."""
    found: Rows = {}
    with case.world.database.read() as tx:
        for table in Base.metadata.sorted_tables:
            for row in tx.connection.execute(select(table)).mappings():
                values = dict(row)
                if table.name == "malformed_messages":
                    values["payload"] = case.desk.settings.vault.decrypt(values["payload"]).decode()
                key = ", ".join(str(values[column.name]) for column in table.primary_key.columns)
                found[table.name, key] = json.dumps(values, default=str, ensure_ascii=False)
    return found


def redis_dump(case: Case) -> str:
    client: Any = case.desk.client
    readers = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers}
    readers |= {b"list": lambda key: client.lrange(key, 0, -1), b"zset": lambda key: client.zrange(key, 0, -1)}
    return str({key: readers[client.type(key)](key) for key in client.scan_iter()})


def left(case: Case, dump: Mapping[Any, str]) -> list[tuple[Any, str]]:
    """Where which of the person's strings still stands, as it is or as JSON spells it."""
    spelled = {spelling for word in case.strings for spelling in (word, json.dumps(word)[1:-1])}
    return [(place, word) for place, text in dump.items() for word in spelled if word.casefold() in text.casefold()]


def test_nothing_of_the_person_is_left_and_neighbours_are_as_they_were(case: Case) -> None:
    before = rows(case)
    everywhere = {place[0] for place, _ in left(case, before)}
    assert everywhere >= {
        *("clients", "logins", "client_fields", "imports", "relationships", "team_members", "directory_records"),
        *("jobs", "job_attempts", "audit", "malformed_messages", "client_changes", "tasks"),
    }, "the test holds the person in every place"
    assert left(case, {"redis": redis_dump(case)})
    # A rehearsal changes nothing and shows what then goes
    plan = case.rehearse()
    assert rows(case) == before
    # When the person is erased
    done = case.erase()
    assert plan == done
    assert done.rows["receipts"] == 2, "one was accepted, one refused"
    # Then no table and no key holds a string of theirs
    after = rows(case)
    assert left(case, after) == []
    assert left(case, {"redis": redis_dump(case)}) == []
    # And whatever changed or went was about them
    members = {key for (table, key), _ in left(case, before) if table == "team_members"}
    known = members | {str(case.uuid), str(case.client_id), *map(str, imports_of(case)), *job_ids(case)}
    about = {place for place, text in before.items() if any(mark in text for mark in known)}
    about |= {place for place, _ in left(case, before)}
    # Nobody else has these here
    about |= {
        place for place in before if place[0] in ("co_owners", "co_owner_invitations", "second_factors", *OF_ACCOUNT)
    }
    changed = {place for place, text in before.items() if after.get(place) != text}
    assert changed - about == set()
    assert {place[0] for place in after if place not in before} == {"audit", "erasures"}
    assert all(
        kept in str(after) for kept in ("A neighbour rang up.", "Their accountant", "Another", "Ask [erased] to ring")
    )


def job_ids(case: Case) -> list[str]:
    with case.world.database.read() as tx:
        return [str(found) for found in tx.session.scalars(select(Job.id).where(Job.import_id.in_(imports_of(case))))]


def test_the_audit_trail_says_that_it_was_done_by_whom_and_why(case: Case) -> None:
    case.erase()
    with case.world.database.read() as tx:
        [entry] = audit.of_subject(tx, "client", case.client_id)
    assert (entry.action, entry.actor_id, entry.why) == ("person.erase", case.operator_id, "Request 17 of [erased]")


def test_it_is_done_once(case: Case) -> None:
    case.erase()
    with pytest.raises(RequestRefused, match="The portal holds no data"):
        case.erase()
    again = case.erase(practice_id=case.world.practice_id, xpm_uuid=case.uuid)
    assert set(again.rows) <= {"imports", "receipts"}


def test_while_an_import_of_the_person_is_open_it_is_refused_with_the_remedy(case: Case) -> None:
    before = rows(case)
    import_id = case.world.ask(case.uuid)
    with pytest.raises(RequestRefused) as refused:
        case.erase()
    assert refused.value.code == "import_open"
    assert f"portal-sync imports cancel {import_id}" in refused.value.remedy
    assert {place: text for place, text in rows(case).items() if place in before} == before


def test_while_a_request_for_the_person_waits_at_the_door_it_is_refused(case: Case) -> None:
    case.desk.put(QUEUE, message("m", case.world.request(case.neighbour).model_dump(mode="json")), "m")
    case.rehearse()
    case.desk.put(QUEUE, message("n", case.world.request(case.uuid).model_dump(mode="json")), "n")
    with pytest.raises(RequestRefused) as refused:
        case.erase()
    assert refused.value.code == "request_waiting"


def test_another_practice_s_client_is_not_known(case: Case) -> None:
    with pytest.raises(RequestRefused, match="The portal holds no data"):
        case.erase(practice_id=case.operator_id, xpm_uuid=case.uuid)


def test_a_late_job_brings_nobody_back(case: Case) -> None:
    # Given an import of the person that died, and somebody who requeues it after they were erased
    import_id = case.world.ask(case.uuid)
    dead = case.world.jobs_of(import_id)["validate_import"]
    with case.world.database.write() as tx:
        lease = jobs.Lease(dead.id, tx.new_id(), "worker-1")
        assert jobs.claim_all(tx, [lease], kinds=[dead.kind], lease_seconds=10)
        jobs.end(tx, lease, JobState.DEAD, failure())
    with case.world.database.write() as tx:
        tx.session.execute(update(Base.metadata.tables["imports"]).values(state="failed", closed_at=db_now()))
    case.erase()
    assert case.world.jobs_of(import_id)["validate_import"].state is JobState.DISMISSED
    with case.world.database.write() as tx:
        tx.session.execute(update(Job).where(Job.id == dead.id).values(state=JobState.DEAD))
    requeue(case.world, import_id, "validate_import")
    # When it runs, and a neighbour who is tied to them is imported again
    case.world.run_due()
    row = case.world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.REJECTED, "person_erased")
    assert left(case, rows(case)) == []


def test_a_neighbour_s_import_does_not_bring_their_name_back(case: Case) -> None:
    case.erase()
    other = importable(case.simulator)[5]
    change(case.simulator, other.uuid, relationships=[{"label": "Parent Of", "related_uuid": str(case.uuid)}])
    assert case.world.run_import(other.uuid).state is ImportState.SUCCEEDED
    assert left(case, rows(case)) == []


def test_news_of_a_neighbour_that_were_on_their_way_do_not_bring_their_name_back(case: Case) -> None:
    """Fetched before the erasure and written after it; or by a re-sync, which knows nothing of erasures."""
    case.erase()
    row = case.world.run_import(importable(case.simulator)[4].uuid, bring_relationships=False)
    told = (related("Spouse", case.uuid, case.strings[0]), related("Child Of", name="Somebody"))
    record = record_of(row.xpm_uuid, relationships=told)
    bring(case.world, row, relationships.apply, record)
    assert [item.other_name for item in items_of(case.world, row)] == ["Somebody"]
    assert left(case, rows(case)) == []


def test_what_a_former_xero_user_of_the_connection_saw_is_erased_too(case: Case) -> None:
    # Given a connection that is another Xero user's by now, and another practice connected to the same tenant
    world = case.world
    assert directory_of(world)
    _, _, others = connect_practice(world.database, world.services.settings, "token", name="Other")
    with world.database.write() as tx:
        to = logins.store_consented(tx, {"id": tx.new_id(), "xero_user_id": "another", **tokens(case)})
        assert connections.reconnect(tx, world.connection_id, xero_login_id=to, tenant_name=None)
        other = connections.get_one(tx, others)
        directories.ensure(tx, other.xero_login_id, TENANT)
        columns = {"record": {"uuid": str(case.uuid)}}
        directories.keep_directory_record(tx, other, case.uuid, columns, database_time(tx.session))
    synced(world)
    # When the person is erased
    case.erase()
    # Then no record that a user of the practice saw is theirs or names them
    assert left(case, rows(case)) == []
    with world.database.read() as tx:
        saw = [row for row in tx.session.scalars(select(DirectoryRecord)) if str(case.uuid) in json.dumps(row.record)]
    assert [row.xero_login_id for row in saw] == [other.xero_login_id]


def tokens(case: Case) -> dict[str, Any]:
    """Those with which the simulator lets anybody in."""
    access = case.world.services.settings.vault.encrypt(case.simulator.config.access_token.encode())
    return {"access_token": access, "refresh_token": None, "access_expires_at": datetime.now(UTC) + timedelta(days=1)}


def test_asked_for_anew_they_may_be_a_client_again(case: Case) -> None:
    case.erase()
    row = case.world.run_import(case.uuid)
    assert row.state is ImportState.SUCCEEDED
    assert case.world.scalar("SELECT count(*) FROM erasures") == 0


def test_without_redis_nothing_is_erased(case: Case, own_redis: RedisServer) -> None:
    before = rows(case)
    away = Desk.at(case.world, own_redis.url)
    own_redis.stop()
    case.desk = away
    with pytest.raises(QueueAway):
        case.erase()
    assert rows(case) == before


@dataclass
class Mistaken:
    """Another person, to whose record the case's person was linked by mistake, or the other way round; that was undone."""

    case: Case
    client_id: UUID
    uuid: UUID
    #: Their rows, and what names them in the audit trail.
    before: Rows

    def changed(self) -> set[tuple[str, str]]:
        after = rows(self.case)
        return {place for place, text in self.before.items() if after.get(place) != text}


def link_to(case: Case, client_id: UUID, uuid: UUID | None) -> None:
    """The client is disconnected, and linked to this record, if any."""
    world = case.world
    with world.database.write() as tx:
        clients.unlink(tx, client_id)
        link = {"id": tx.new_id(), "practice_id": world.practice_id, "client_id": client_id, "tenant_id": TENANT}
        link |= {"connection_id": world.connection_id, "linked_by": world.staff_id}
        assert uuid is None or clients.link(tx, {**link, "xpm_uuid": uuid})


def import_that_made(case: Case, client_id: UUID) -> UUID:
    with case.world.database.read() as tx:
        return tx.session.scalars(select(Client.import_id).where(Client.id == client_id)).one() or client_id


def mistake(case: Case, *, brings_details: bool = False) -> Mistaken:
    world, other = case.world, importable(case.simulator)[5]
    change(case.simulator, other.uuid, name="Bo Nightingale", email="bo@nightingale.example", relationships=[])
    link_to(case, case.client_id, other.uuid)
    if brings_details:
        bring_details(world, import_that_made(case, case.client_id))
    link_to(case, case.client_id, case.uuid)
    world.run_due()
    client_id = world.run_import(other.uuid).client_id
    assert client_id is not None
    return remembered(case, client_id, other.uuid, "bo@nightingale.example")


def remembered(case: Case, client_id: UUID, uuid: UUID, email: str) -> Mistaken:
    with case.world.database.write() as tx:
        told = {"action": "job.dismiss", "subject": "job", "practice_id": case.world.practice_id}
        audit.record(tx, **told, subject_id=uuid, why=f"{email} rang up.")  # type: ignore[arg-type]
    marks = (str(client_id), email)
    before = {place: text for place, text in rows(case).items() if any(mark in text for mark in marks)}
    assert {place[0] for place in before} >= {"clients", "logins", "client_fields", "xpm_links", "imports", "audit"}
    return Mistaken(case, client_id, uuid, before)


def erased_records(case: Case) -> set[UUID]:
    with case.world.database.read() as tx:
        return set(tx.session.scalars(select(Erasure.xpm_uuid)))


@pytest.mark.parametrize("brings_details", [False, True], ids=["link", "import of items"])
def test_a_wrong_link_that_was_undone_leads_to_nobody_else(case: Case, brings_details: bool) -> None:
    # Given
    other = mistake(case, brings_details=brings_details)
    # When
    plan = case.rehearse()
    done = case.erase()
    # Then
    assert plan.client_ids == done.client_ids == [case.client_id]
    assert erased_records(case) == {case.uuid}
    assert other.changed() == set()
    assert left(case, rows(case)) == []


def test_nor_does_it_from_the_other_person_s_record(case: Case) -> None:
    # Given
    other = mistake(case, brings_details=True)
    person = remembered(case, case.client_id, case.uuid, case.strings[1])
    # When
    done = case.erase(practice_id=case.world.practice_id, xpm_uuid=other.uuid)
    # Then
    assert done.client_ids == [other.client_id]
    assert erased_records(case) == {other.uuid}
    assert {place[0] for place in person.changed()} == {"jobs"}, "those of the import of the wrong record"


def wrong_import(case: Case) -> Mistaken:
    """Somebody was imported from the person's record by mistake, and is linked to their own record by now."""
    own = importable(case.simulator)[5].uuid
    link_to(case, case.client_id, None)
    client_id = case.world.run_import(case.uuid, name="Bo Nightingale", email="bo@nightingale.example").client_id
    assert client_id is not None
    link_to(case, client_id, own)
    link_to(case, case.client_id, case.uuid)
    return remembered(case, client_id, own, "bo@nightingale.example")


def test_a_wrong_import_that_was_undone_leads_to_nobody_else(case: Case) -> None:
    other = wrong_import(case)
    done = case.erase()
    assert done.client_ids == [case.client_id]
    made_by = import_that_made(case, other.client_id)
    assert other.changed() == {("imports", str(made_by))}
    assert case.world.import_row(made_by).client_id == other.client_id, "colleagues who see the client still see it"


def test_nor_does_it_from_the_client_whom_it_made(case: Case) -> None:
    # Given
    other = wrong_import(case)
    person = remembered(case, case.client_id, case.uuid, case.strings[1])
    # When
    done = case.erase(client_id=other.client_id)
    # Then
    assert done.client_ids == [other.client_id]
    assert erased_records(case) == {other.uuid}
    assert person.changed() == set()


def test_a_record_whose_client_was_disconnected_is_still_theirs(case: Case) -> None:
    # Given a wrong link that was undone, to somebody who was imported and disconnected since
    other = mistake(case)
    link_to(case, other.client_id, None)
    other = remembered(case, other.client_id, other.uuid, "bo@nightingale.example")
    # When
    done = case.erase()
    # Then
    assert done.client_ids == [case.client_id]
    assert erased_records(case) == {case.uuid}
    assert other.changed() == set()


def test_an_own_past_link_still_leads_to_the_record(case: Case) -> None:
    # Given a client whom no import made
    uuid = importable(case.simulator)[5].uuid
    client_id = link_entity(case.world, uuid)
    link_to(case, client_id, None)
    # When
    done = case.erase(client_id=client_id)
    # Then
    assert done.client_ids == [client_id]
    assert erased_records(case) == {uuid}


@pytest.mark.parametrize("from_record", [False, True])
def test_a_client_made_by_an_import_is_found_after_a_disconnect(case: Case, from_record: bool) -> None:
    link_to(case, case.client_id, None)
    record = {"practice_id": case.world.practice_id, "xpm_uuid": case.uuid}
    done = case.erase(**record if from_record else {"client_id": case.client_id})
    assert done.client_ids == [case.client_id]
    assert erased_records(case) == {case.uuid}
    assert left(case, rows(case)) == []


#: Tables that point to a client, a login or a team member, and that erasing a person knows what to do about.
OF_ACCOUNT = ("client_sessions", "terms_acceptances", "task_emails")
KNOWN = {
    *("clients", "client_visibility", "xpm_links", "client_fields", "field_conflicts", "team_members", "relationships"),
    *("welcome_emails", "staff", "operators", "password_links", "co_owners", "co_owner_invitations", "client_changes"),
    *("entity_connections", "tasks"),
    *OF_ACCOUNT,
    "security_notices",
    *("second_factors", "recovery_codes", "pending_sign_ins", "passkeys", "passkey_challenges", "password_resets"),
}


def test_erasure_knows_every_table_that_points_to_a_person() -> None:
    """A new one has to be thought of: in `portal_db.upkeep.personal_data`, in the fixture above, and here."""
    pointing = {
        table.name
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name in ("clients", "logins", "team_members")
    }
    assert pointing == KNOWN
