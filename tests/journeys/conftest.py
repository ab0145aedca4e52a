"""Desks and a living office on the live server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import Office
from tests.journeys.desks import Desks


@pytest.fixture
def desks(browser: Any, live_server: Any, settings: Any) -> Iterator[Desks]:
    settings.BASE_URL = live_server.url
    made = Desks(browser, live_server.url)
    yield made
    made.close()


@pytest.fixture
def town(transactional_db: None) -> Office:
    """The office, visible to the live server."""
    return Office()
