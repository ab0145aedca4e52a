"""Servers of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import Office
from tests.faults.harness import Broker
from tests.notifications.post import Post, open_post


@pytest.fixture
def office(transactional_db: None) -> Office:
    return Office()


@pytest.fixture
def mail() -> Iterator[tuple[Post, int]]:
    """A mail server and its port."""
    with open_post() as server:
        yield server


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A Valkey that runs until the test is done with it."""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    made = Broker(tmp_path / "broker")
    made.begin()
    yield made
    made.kill()
