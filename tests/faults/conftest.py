"""Servers of the test's own."""

import tempfile
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
def broker() -> Iterator[Broker]:
    """A Valkey that runs until the test is done with it, in a folder that its user can enter."""
    with tempfile.TemporaryDirectory(prefix="throughline-broker-") as name:
        Path(name).chmod(0o755)
        made = Broker(Path(name) / "broker")
        made.begin()
        yield made
        made.kill()
