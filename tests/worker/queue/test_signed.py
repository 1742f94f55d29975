"""Requests at the queue door are signed by a producer that serves the practice; nothing else becomes an import."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from handlers.access import producers
from handlers.access.producers import MadeProducer
from tests.making import add_practice
from tests.worker.queue.desk import Desk
from tests.worker.queue.test_door import fields, kept
from tests.worker.runner.running import count

PAGE = Path(__file__).parents[3] / "docs" / "queue-contract.md"


@pytest.fixture
def producer(strict_desk: Desk) -> MadeProducer:
    return made(strict_desk)


def made(desk: Desk, *practices: Any) -> MadeProducer:
    return producers.add(
        desk.world.database, desk.settings.vault, "Practice desk", practices or [desk.world.practice_id]
    )


def signed(request: dict[str, Any], by: MadeProducer) -> dict[str, Any]:
    """The request with its signature, as the page signs it in Python."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found: dict[str, Any] = {}
    exec(program, found)  # noqa: S102 -- our own page
    result: dict[str, Any] = found["signed"](request, str(by.producer_id), by.secret)
    return result


def sent(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """What the producer reads after it sent a request."""
    desk.door().take(request)
    receipt = desk.receipt(request["request_id"])
    assert receipt is not None
    return receipt


def assert_refused(desk: Desk, request: dict[str, Any], code: str) -> None:
    receipt = sent(desk, request)
    assert (receipt["status"], receipt["code"]) == ("refused", code)
    assert receipt["remedy"]
    assert count(desk.world, "imports") == 0
    [payload] = kept(desk)
    assert json.loads(payload) == request


def test_a_signed_request_becomes_one_import_however_often_it_is_sent(
    strict_desk: Desk, producer: MadeProducer
) -> None:
    request = signed(fields(strict_desk, name="Zoë 東京 \u2028 🐾"), producer)
    receipts = [sent(strict_desk, request) for _ in range(3)]
    assert receipts == [receipts[0]] * 3
    assert receipts[0]["status"] == "accepted"
    assert count(strict_desk.world, "imports") == 1


def test_an_unsigned_request_is_refused(strict_desk: Desk) -> None:
    assert_refused(strict_desk, fields(strict_desk), "unsigned_request")


def test_a_signed_request_is_checked_where_signatures_are_not_needed(sqlite_desk: Desk) -> None:
    assert_refused(
        sqlite_desk, {**signed(fields(sqlite_desk), made(sqlite_desk)), "email": "e@x.example"}, "bad_signature"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"email": "thief@mail.example"},
        {"xpm_uuid": "7d0c5c5e-0000-4000-8000-000000000000"},
        {"signature": "0" * 64},
        {"signature": ""},
        {"signature": 7},
        {"signature": "\ud800é"},
        {"producer": "7d0c5c5e-0000-4000-8000-000000000000"},
        {"producer": None},
        {"producer": ["a"]},
        {"name": "\ud800"},
    ],
    ids=str,
)
def test_what_was_not_signed_so_is_refused(
    strict_desk: Desk, producer: MadeProducer, change: dict[str, object]
) -> None:
    assert_refused(strict_desk, {**signed(fields(strict_desk), producer), **change}, "bad_signature")


def test_another_producers_secret_signs_nothing_here(strict_desk: Desk, producer: MadeProducer) -> None:
    other = made(strict_desk)
    request = signed(fields(strict_desk), MadeProducer(producer.producer_id, other.secret))
    assert_refused(strict_desk, request, "bad_signature")


def test_a_producer_requests_for_its_own_practices_only(strict_desk: Desk) -> None:
    elsewhere = made(strict_desk, add_practice(strict_desk.world, "Quay Partners"))
    assert_refused(strict_desk, signed(fields(strict_desk), elsewhere), "not_allowed")


def test_a_replaced_secret_is_accepted_for_a_day(strict_desk: Desk, producer: MadeProducer) -> None:
    world = strict_desk.world
    new = producers.rotate(world.database, strict_desk.settings.vault, producer.producer_id)
    for each in (producer, new):
        assert sent(strict_desk, signed(fields(strict_desk), each))["status"] == "accepted"
    world.pass_time(producers.OVERLAP_SECONDS + 1)
    assert sent(strict_desk, signed(fields(strict_desk), producer))["code"] == "bad_signature"
    assert sent(strict_desk, signed(fields(strict_desk), new))["status"] == "accepted"


def test_a_new_secret_that_was_lost_is_replaced_and_the_one_in_use_is_still_accepted(
    strict_desk: Desk, producer: MadeProducer
) -> None:
    # Given a new secret that nobody has noted, half a day after it was made
    world, vault = strict_desk.world, strict_desk.settings.vault
    lost = producers.rotate(world.database, vault, producer.producer_id)
    world.pass_time(producers.OVERLAP_SECONDS / 2)
    # When it is replaced
    new = producers.rotate(world.database, vault, producer.producer_id)
    # Then the one that the program has is still accepted, and the newest one; but not the lost one
    answers = [sent(strict_desk, signed(fields(strict_desk), each)) for each in (producer, new, lost)]
    assert [answer.get("code") for answer in answers] == [None, None, "bad_signature"]
    # And no longer than it was promised
    world.pass_time(producers.OVERLAP_SECONDS / 2 + 1)
    assert sent(strict_desk, signed(fields(strict_desk), producer))["code"] == "bad_signature"
    assert sent(strict_desk, signed(fields(strict_desk), new))["status"] == "accepted"


def test_a_revoked_producer_is_refused_at_once(strict_desk: Desk, producer: MadeProducer) -> None:
    request = signed(fields(strict_desk), producer)
    producers.rotate(strict_desk.world.database, strict_desk.settings.vault, producer.producer_id)
    producers.revoke(strict_desk.world.database, producer.producer_id)
    assert_refused(strict_desk, request, "bad_signature")


def test_a_secret_that_no_key_decrypts_is_said_to_be_so(strict_desk: Desk, producer: MadeProducer) -> None:
    request = signed(fields(strict_desk), producer)
    settings = strict_desk.settings.model_copy(update={"token_keys": (SecretStr(Fernet.generate_key().decode()),)})
    settings.__dict__.pop("vault", None)
    lost = replace(strict_desk, services=replace(strict_desk.services, settings=settings))
    assert_refused(lost, request, "producer_secret_lost")


def test_the_secret_is_kept_encrypted(strict_desk: Desk, producer: MadeProducer) -> None:
    stored = strict_desk.world.scalar("SELECT secret FROM producers")
    assert isinstance(stored, bytes)
    assert producer.secret.encode() not in stored
    assert strict_desk.settings.vault.decrypt(stored).decode() == producer.secret


def test_the_signature_that_the_page_shows_is_right() -> None:
    example, expected = re.findall(
        r"the request\n\n```json\n(.*?)\n```\n\nhas the signature `(\w+)`", PAGE.read_text(), re.DOTALL
    )[0]
    assert producers.signature("pqs_example", json.loads(example)) == expected
    assert producers.canonical({"b": uuid4().hex, "a": 1, "producer": "x", "signature": "y"})[:8] == b'{"a":1,"'
