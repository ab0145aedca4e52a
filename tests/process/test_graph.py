"""Nobody gets stuck: from every open state an end can be reached, and somebody moves it."""

import pytest

from requests_app.models import Request
from requests_app.states import WAITS_FOR
from tests.process import table
from workflow.machine import Step, steps_of


def moves() -> list[Step]:
    return [s for s in steps_of(Request) if s.target is not None]


def reachable(start: str, rows: list[Step]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        for row in rows:
            if row.source == here and row.target not in seen:
                seen.add(str(row.target))
                todo.append(str(row.target))
    return seen


@pytest.mark.parametrize("state", table.OPEN)
def test_an_end_can_be_reached_from_every_open_state(state: str) -> None:
    assert reachable(state, moves()) & set(table.ENDS)


@pytest.mark.parametrize("state", table.OPEN)
def test_a_good_end_can_be_reached_without_cancelling_or_declining(state: str) -> None:
    forward = [s for s in moves() if s.name not in ("cancel", "decline")]
    assert "closed" in reachable(state, forward)


@pytest.mark.parametrize("state", table.OPEN)
def test_every_open_state_says_what_it_waits_for_and_who_moves_it(state: str) -> None:
    forward = [s for s in moves() if s.source == state and s.name != "cancel"]
    assert forward
    assert all(s.who for s in forward)
    assert WAITS_FOR[state]


def test_every_state_can_be_reached_from_triage() -> None:
    assert reachable("triage", moves()) == set(table.STATES)


def test_the_ends_are_left_by_reopening_only() -> None:
    """X3."""
    assert {s.name for s in moves() if s.source in table.ENDS} == {"reopen"}


@pytest.mark.parametrize("state", table.OPEN)
def test_discovery_can_be_reached_up_to_and_including_testing(state: str) -> None:
    """F17, and the way back leads to a queue (D13)."""
    direct = {s.source for s in moves() if s.name == "send_to_discovery"}
    late = {"billing", "customer_notice"}
    assert (state in direct) == (state not in late | {"discovery"})
    back = {s.target for s in moves() if s.source == "discovery"}
    assert {"pending", "awaiting_scheduling"} <= back


def test_an_overlay_leaves_the_state_alone() -> None:
    """X1: on hold is no state; while set, only resume and cancel are possible."""
    for row in steps_of(Request):
        guards = {g.name for g in row.given}
        if row.name in ("resume", "cancel", "reopen"):
            assert "not_on_hold" not in guards
        else:
            assert "not_on_hold" in guards, f"{row.name} goes on while it is on hold"
