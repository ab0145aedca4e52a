"""An intake address, so that notices carry signed reply addresses."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _intake(settings: Any) -> None:
    settings.INBOUND_ADDRESS = "requests@desk.example"
