"""The API fuzzed from its own OpenAPI description: no 5xx, and no answer that the description does not know."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal_db.states import Role
from tests.making import importable
from tests.web.desk import API, Desk
from xpm.simulator.serve import SimulatorHandle

#: For each operation; fewer where each costs a hash that is slow on purpose.
EXAMPLES, SLOW = 8, {"POST /api/v1/session": 3}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.timeout(300)
def test_no_request_breaks_anything(desk: Desk, simulator: SimulatorHandle, seed: int) -> None:
    """As an owner with an API key: nothing stands between the fuzzer and the endpoints."""
    desk.world.run_import(importable(simulator)[0].uuid)
    owner = desk.staff(Role.OWNER)
    headers = {"Authorization": f"Bearer {desk.key_of(owner)}", "X-Staff-Id": str(owner.staff_id)}
    schema = schemathesis.openapi.from_url(f"{desk.url}{API}/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        tried.add(operation.label)
        _fuzz(operation, headers, seed)
    assert len(tried) > 25


def _fuzz(operation: Any, headers: dict[str, str], seed: int) -> None:
    @seeded(seed)
    @settings(
        max_examples=SLOW.get(operation.label, EXAMPLES),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)

    run()
