"""The process as people read it: diagrams and tables made from the declarations."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.apps import apps

from requests_app.models import Request
from requests_app.states import LANES
from workflow.door import consequences_of
from workflow.machine import Step, steps_of
from workflow.models import Machine

LANE_TITLES = {
    "intake": "Intake",
    "discovery": "Discovery",
    "parts": "Parts",
    "queue": "Queues",
    "fulfillment": "Fulfillment",
    "testing": "Testing",
    "billing": "Billing",
    "closing": "Closing",
    "done": "Done",
}


def machines() -> list[type[Machine]]:
    """The request's machine first, then the smaller ones in the order of their apps."""
    small = [m for m in apps.get_models() if issubclass(m, Machine) and m is not Request]
    return [Request, *small]


def people(row: Step) -> str:
    """Who takes a row, in words."""
    return ", ".join(w.label for w in row.who)


def diagram(model: type[Machine]) -> str:
    """A machine as a Mermaid state diagram; arrows say step and people."""
    lines = ["stateDiagram-v2"]
    states = _states(model)
    if model is Request:
        lines += _lanes(states)
    else:
        lines += [f"  {key} : {label}" for key, label in states.items()]
    rows = steps_of(model)
    targets = {row.target for row in rows if row.target}
    sources = {row.source for row in rows if row.target}
    first = [key for key in states if key not in targets] or [next(iter(states))]
    lines += [f"  [*] --> {key}" for key in (["triage"] if model is Request else first)]
    for (source, target), same in _arrows(rows):
        said = " / ".join(f"{row.name} ({people(row)})" for row in same)
        lines.append(f"  {source} --> {target} : {said}")
    if model is Request:
        lines.append(
            "  note left of triage : cancel (CAR) leads from every open state to cancelled"
        )
    lines += [f"  {key} --> [*]" for key in states if key in targets and key not in sources]
    return "\n".join(lines)


def _lanes(states: dict[str, str]) -> list[str]:
    lines = []
    for lane, title in LANE_TITLES.items():
        lines.append(f'  state "{title}" as lane_{lane} {{')
        lines += [f"    {key} : {label}" for key, label in states.items() if LANES[key] == lane]
        lines.append("  }")
    return lines


def _arrows(rows: Iterable[Step]) -> list[tuple[tuple[str, str], list[Step]]]:
    """Rows that move, by where from and where to. Cancelling is said in one note instead."""
    found: dict[tuple[str, str], list[Step]] = {}
    for row in rows:
        if row.target is not None and row.name != "cancel":
            found.setdefault((row.source, row.target), []).append(row)
    return list(found.items())


def step_table(model: type[Machine]) -> str:
    """A machine's rows as a Markdown table, sources of one declaration together."""
    head = "| step | from | to | who | refused with | told | then |\n|---|---|---|---|---|---|---|"
    lines = [head]
    rows = sorted(steps_of(model), key=lambda r: (r.line, r.name, r.target or "", people(r)))
    for _, same in groupby(rows, key=lambda r: (r.name, r.target, people(r))):
        group = list(same)
        row = group[0]
        lines.append(
            "| "
            + " | ".join(
                [
                    f"`{row.name}`",
                    ", ".join(sorted({r.source for r in group}, key=lambda s: _place(model)[s])),
                    row.target or "stays",
                    people(row),
                    _given(group),
                    ", ".join(row.tell) or "-",
                    _then(model, row),
                ]
            )
            + " |"
        )
    return "\n".join(lines)


def _states(model: type[Machine]) -> dict[str, str]:
    """A machine's states with their labels, in the order of their list."""
    meta: Any = model._meta
    return dict(meta.get_field("state").flatchoices)


def _place(model: type[Machine]) -> dict[str, int]:
    """Where a state stands in its list."""
    return {key: place for place, key in enumerate(_states(model))}


def _given(group: list[Step]) -> str:
    """Sentences of guards and checks, each once."""
    seen: dict[str, None] = {}
    for row in group:
        for sentence in (*(g.sentence for g in row.given), *(c.sentence for c in row.check)):
            seen.setdefault(sentence, None)
    return " ".join(seen) or "-"


def _then(model: type[Machine], row: Step) -> str:
    """What else happens in the transaction of a request's step."""
    if model is not Request:
        return "-"
    found = [f"`{run.__module__}.{run.__name__}`" for run in consequences_of(row.name)]
    return ", ".join(found) or "-"
