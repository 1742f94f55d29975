"""What every test of webhooks has: a receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
