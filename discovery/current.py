"""What a request has at present in discovery, read once while guards are asked or forms built."""

from collections.abc import Callable, Iterable
from typing import Any

from requests_app.models import Request
from workflow.actors import Who
from workflow.machine import Guard, steps_of
from workflow.models import Machine


def _kept(request: Request, name: str, read: Callable[[], Any]) -> Any:
    """The door and the registry keep answers while they hold the row; nobody else does."""
    memo = request.__dict__.get("_guard_answers")
    if memo is None:
        return read()
    if name not in memo:
        memo[name] = read()
    return memo[name]


def discovery_of(request: Request) -> Any:
    """The latest discovery of this pass, or None (D1)."""
    return _kept(request, "current discovery", lambda: request.discovery)


def proposals_of(request: Request) -> list[Any]:
    """Every version of the request's proposal, the first one first (D8)."""
    return _kept(
        request,
        "current proposals",
        lambda: sorted(request.proposals.all(), key=lambda proposal: proposal.version),
    )


def latest(request: Request, *states: str) -> Any:
    """The last version that is in one of these states; None if there is none."""
    found = [p for p in proposals_of(request) if p.state in states]
    return found[-1] if found else None


def draft_of(request: Request) -> Any:
    """The version being written, or None."""
    return latest(request, "draft")


def issued_of(request: Request) -> Any:
    """The version that waits for the customer, or None."""
    return latest(request, "issued")


def part_lines_of(request: Request) -> list[Any]:
    """The request's part lines."""
    return _kept(
        request,
        "current part lines",
        lambda: list(request.part_lines.all()),
    )


def who_of(model: type[Machine], name: str) -> list[Who]:
    """The people that a row of a smaller machine names: its action on the request is theirs."""
    found: list[Who] = []
    for row in steps_of(model):
        if row.name == name:
            found += [w for w in row.who if w not in found and "person" in w.kinds]
    return found


def given_of(model: type[Machine], name: str, of: Callable[[Request], Any]) -> list[Guard]:
    """The guards of a row of a smaller machine, asked through the request: no rule typed twice."""
    guards: dict[str, Guard] = {}
    for row in steps_of(model):
        if row.name == name:
            for one in row.given:
                guards[one.name] = _through(one, of)
    return list(guards.values())


def _through(rule: Guard, of: Callable[[Request], Any]) -> Guard:
    def test(request: Request) -> bool:
        subject = of(request)
        return subject is not None and rule(subject)

    return Guard(rule.sentence, test, f"{of.__name__}.{rule.name}")


def one_of(states: Iterable[str], rows: Iterable[Any]) -> bool:
    """Whether any of the rows is in one of the states."""
    wanted = set(states)
    return any(row.state in wanted for row in rows)
