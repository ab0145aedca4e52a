"""The numbered sentences of the process, and where code and tests name them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = (
    "requests_app", "discovery", "fulfillment", "billing", "asd", "workflow", "notifications",
    "config",
)  # fmt: skip
RANGE = re.compile(r"\b([DFX])(\d{1,2})\s?-\s?\1(\d{1,2})\b")
SINGLE = re.compile(r"\b[DFX]\d{1,2}\b")
MOST_NAMES = 4

NUMBERS: dict[str, str] = {
    "D1": "Discovery finds out what a customer needs when a request falls outside the SLA.",
    "D2": "It starts when there is no existing service, or no current customer with an SLA.",
    "D3": "Its outcome decides which level of service fulfillment the request gets.",
    "D4": "New services, or new customers, are documented as outside existing SLAs.",
    "D5": "The representative assembles a discovery team.",
    "D6": "The team documents what the customer wants.",
    "D7": "The team determines whether more or less is needed than was asked.",
    "D8": "When client discovery is final, the team builds a proposal.",
    "D9": "The CRM case is updated with the purchase order and the proposal as files.",
    "D10": "For a service not yet provided, a new ASD service is initiated.",
    "D11": "It is determined whether new parts and equipment are required.",
    "D12": "If so, parts maintenance: rated, coded, listed; ordered and received.",
    "D13": "Then the request waits for scheduling and fulfillment by its provider group.",
    "D14": "Current customer or not, existing service or not: visible at every stage.",
    "D15": "Existing services of current customers take the normal path, without discovery.",
    "F1": "Requests are processed within the agreed time.",
    "F2": "Provider groups fulfill from their queues: 60-day schedule and pending queue.",
    "F3": "Each group checks both regularly.",
    "F4": "Requests are fulfilled one by one, under a stated rule.",
    "F5": "Assistance from the pending queue is assigned to a specialist of the group.",
    "F6": "Enhancements from the schedule get a work plan and estimates on the work list.",
    "F7": "Assigned assistance is fulfilled as specialists receive it.",
    "F8": "When fulfilled, the case is updated and closed, which notifies the customer.",
    "F9": "Providers fulfill enhancements from the plan, and test the solution.",
    "F10": "Once testing confirms, it is determined whether the customer is charged.",
    "F11": "No charge: forwarded to the representative, who notifies the customer.",
    "F12": "Charge: a billing case is created and forwarded to the representative.",
    "F13": "The representative initiates billing; every line can be explained.",
    "F14": "An ASD update is requested once the service is live.",
    "F15": "Once done, the customer is notified that the Request for Change is fulfilled.",
    "F16": "Enhancement or assistance: the kind decides the path.",
    "F17": "Requests that are not routine can be sent through discovery.",
    "X1": "Hold and resume, with reason and date; the clock stops.",
    "X2": "Cancel or withdraw at any open stage; bookings are undone.",
    "X3": "Reopen within 14 days of closing.",
    "X4": "Duplicate, link, split.",
    "X5": "Reassign group or representative.",
    "X6": "Comments, public and internal.",
    "X7": "Every change recorded: who, when, what, from, to, why.",
    "X8": "Priority from impact and urgency.",
    "X9": "Watchers.",
    "X10": "On-behalf intake by the representative.",
}


@dataclass
class Found:
    """Where a number is named: file to names within it."""

    code: dict[str, list[str]] = field(default_factory=dict)
    tests: dict[str, list[str]] = field(default_factory=dict)


def named_in(text: str) -> set[str]:
    """The numbers that a text names; short ranges such as D6-D7 count for what is between."""
    found = set()
    for kind, first, last in RANGE.findall(text):
        if int(last) - int(first) <= 3:
            found |= {f"{kind}{n}" for n in range(int(first), int(last) + 1)}
    return (found | set(SINGLE.findall(RANGE.sub("", text)))) & set(NUMBERS)


def survey() -> dict[str, Found]:
    """Read every docstring of the apps and every test, without running any of it."""
    found = {number: Found() for number in NUMBERS}
    for path, name, text in _docstrings():
        for number in named_in(text):
            found[number].code.setdefault(path, []).append(name)
    for path, name, text in _tests():
        for number in named_in(text):
            found[number].tests.setdefault(path, []).append(name)
    return found


def _files(folder: str) -> Iterator[tuple[str, str, ast.Module]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        if not {"migrations", "demo"} & set(path.parts) and path != Path(__file__).resolve():
            text = path.read_text()
            yield str(path.relative_to(ROOT)), text, ast.parse(text)


def _docstrings() -> Iterator[tuple[str, str, str]]:
    for app in APPS:
        for path, _, tree in _files(app):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    yield path, node.name, ast.get_docstring(node) or ""
                elif isinstance(node, ast.Module):
                    yield path, "", ast.get_docstring(node) or ""


def _tests() -> Iterator[tuple[str, str, str]]:
    """Every test function: its name, docstring and comments; a file's docstring names the file."""
    for path, text, tree in _files("tests"):
        if not Path(path).name.startswith("test_"):
            continue
        lines = text.splitlines()
        yield path, "", ast.get_docstring(tree) or ""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                yield path, node.name, "\n".join(lines[first - 1 : node.end_lineno])


def missing() -> list[str]:
    """Sentences about numbers that no code or no test names."""
    said = []
    for number, where in survey().items():
        if not where.code:
            said.append(f"{number} is named by no docstring: {NUMBERS[number]}")
        if not where.tests:
            said.append(f"{number} is named by no test: {NUMBERS[number]}")
    return said


def table() -> str:
    """Number, sentence, code, tests, as Markdown."""
    lines = ["| # | what must be so | code | test |", "|---|---|---|---|"]
    for number, where in survey().items():
        cells = [number, NUMBERS[number], _places(where.code), _places(where.tests)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _places(places: dict[str, list[str]]) -> str:
    cells = []
    for path, names in places.items():
        inside = sorted({name for name in names if name})
        shown = ", ".join(inside[:MOST_NAMES]) + (" …" if len(inside) > MOST_NAMES else "")
        cells.append(f"`{path}`" + (f": {shown}" if shown else ""))
    return "<br>".join(cells) or "-"
