"""The hand-typed table equals the declared machine, row by row, in its order."""

from itertools import groupby

import pytest
from django.apps import apps

from requests_app.models import Request
from requests_app.states import LANES, OPEN, WAITS_FOR, State
from tests.process import table
from workflow.machine import Step, steps_of
from workflow.models import Machine
from workflow.registry import actions_of

Row = tuple[str, list[str], str | None, list[str]]


def declared(model: type[Machine]) -> list[Row]:
    """The machine's rows as the table writes them: sources of one declaration together."""
    rows: list[Row] = []
    steps = sorted(steps_of(model), key=lambda s: (s.line, s.target or "", sorted(names(s))))
    for (name, target, who), same in groupby(
        steps, key=lambda s: (s.name, s.target, tuple(names(s)))
    ):
        rows.append((name, [s.source for s in same], target, list(who)))
    return rows


def names(step: Step) -> list[str]:
    return [w.label for w in step.who]


def comparable(rows: list[Row]) -> list[tuple[str, frozenset[str], str | None, frozenset[str]]]:
    return [(name, frozenset(at), to, frozenset(who)) for name, at, to, who in rows]


def in_order(rows: list[Row]) -> list[str]:
    return [name for name, _ in groupby(rows, key=lambda row: row[0])]


def test_the_states_stand_in_the_order_of_the_process() -> None:
    assert list(State.values) == table.STATES
    assert [str(s) for s in OPEN] == table.OPEN
    assert {str(k): v for k, v in LANES.items()} == table.LANES
    assert {str(s) for s in WAITS_FOR} == set(table.OPEN)


def test_the_literal_step_table_is_the_declared_machine() -> None:
    """Every row of the process page, and none besides (D1-D15, F1-F17, X1-X5)."""
    assert sorted(comparable(declared(Request)), key=str) == sorted(
        comparable(table.STEPS), key=str
    )
    assert in_order(declared(Request)) == in_order(table.STEPS)


@pytest.mark.parametrize("label", table.SMALL)
def test_a_smaller_machine_is_its_literal_table(label: str) -> None:
    model = apps.get_model(label)
    assert sorted(comparable(declared(model)), key=str) == sorted(
        comparable(table.SMALL[label]), key=str
    )
    assert in_order(declared(model)) == in_order(table.SMALL[label])


def test_no_machine_is_left_out_of_the_tables() -> None:
    machines = {m._meta.label_lower for m in apps.get_models() if issubclass(m, Machine)}
    assert machines == {"requests_app.request", *table.SMALL}


def test_every_row_is_refused_with_the_sentences_of_the_table() -> None:
    """What must be given, per step and source; all others only ask that it is not on hold."""
    for row in steps_of(Request):
        wanted = table.GIVEN.get((row.name, row.source), {table.HELD})
        idle = {
            g.sentence for g in row.given if "@" in g.name and not _counts_from(g.name, row.source)
        }
        assert {g.sentence for g in row.given} - idle == wanted, (row.name, row.source)


def _counts_from(name: str, source: str) -> bool:
    """Whether a guard declared `at` some states counts for this one."""
    return source in name.split("@", 1)[1].split("+")


def test_every_row_promises_the_notices_of_the_table() -> None:
    told = {s.name: list(s.tell) for s in steps_of(Request) if s.tell}
    assert told == table.TOLD


def test_every_row_says_what_it_is_for_and_names_its_clause() -> None:
    for label in ["requests_app.request", *table.SMALL]:
        for row in steps_of(apps.get_model(label)):
            assert row.doc, row
            assert row.clauses or label == "asd.service", f"{label}.{row.name} names no clause"


def test_every_row_has_exactly_one_action_of_its_name_in_every_source() -> None:
    """A new step is one declaration plus one form: none is without, none has two."""
    missing = []
    for row in steps_of(Request):
        found = [
            a
            for a in actions_of("requests_app.request")
            if a.name == row.name and row.source in a.states
        ]
        if len(found) != 1 or found[0].step != row.name:
            missing.append((row.name, row.source, len(found)))
    assert not missing


def test_every_registered_action_takes_a_step_that_exists_or_says_who_may() -> None:
    rows = {(s.name, s.source) for s in steps_of(Request)}
    for made in actions_of("requests_app.request"):
        if made.step:
            unknown = [s for s in made.states if (made.step, s) not in rows]
            assert not unknown, f"{made.name} takes {made.step}, which does not start in {unknown}"
        else:
            assert made.who, f"{made.name} says nobody may do it"
        assert made.states <= set(table.STATES)
        assert made.label
        assert made.run.__doc__, f"{made.name} does not say what it is for"
