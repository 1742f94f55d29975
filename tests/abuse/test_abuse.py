"""The program that attacks a portal: what it is asked, what it says, and one of its attacks."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from handlers.access import passwords
from tests.abuse.__main__ import Cost, main
from tests.abuse.attacks import CROWD, sign_ins
from tests.abuse.site import Firm, Site
from tests.web.desk import serving
from tests.world import World
from worker.local.processes import Supervised


def test_an_attack_that_is_none_is_refused_before_anything_is_started() -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--only", "kindness"])
    assert refused.value.code == 2


def test_each_bound_that_is_broken_is_said() -> None:
    assert Cost(199.0, 3_900.0, 1.99, 1.99, 299.0, 6).broken == []
    assert [words.split(",")[0] for words in Cost(4_800.0, 3_900.0, 237.9, 28.2, 1_600.0, 17).broken] == [
        "/healthz took 4800 ms",
        "another firm's email took 237.9 s",
        "another firm's webhook took 28.2 s",
        "the web process held 1600 MB",
        "17 streams of one person were opened",
    ]


def test_a_crowd_signs_in_and_each_is_judged(
    sqlite_world: World, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    firm = Firm(sqlite_world.practice_id, {}, {})
    processes = Supervised(tmp_path_factory.mktemp("logs"))
    with serving(sqlite_world, redis_url) as desk:
        site = Site(desk.url, redis_url, firm, firm, sqlite_world.mail, processes, [])
        with sign_ins(site):
            assert desk.browser().get("/healthz").status_code == 200
        assert sqlite_world.scalar("SELECT count(*) FROM sign_in_log WHERE event = 'sign_in_failed'") == CROWD
