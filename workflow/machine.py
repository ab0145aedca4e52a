"""Declaring a machine: guards, checks and steps. The declarations are what people read and run."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django_fsm import transition

from workflow.actors import Actor, Who, as_actor

CLAUSE = re.compile(r"\b[DFX]\d{1,2}\b")


class Refused(Exception):  # noqa: N818 - it is what the office says, not an error of the program
    """The process does not allow this now. Carries sentences for people; nothing was changed."""

    def __init__(self, *sentences: str, code: str = "refused") -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences
        self.code = code


class Guard:
    """A rule over the request alone, with the sentence shown where it does not hold."""

    def __init__(self, sentence: str, test: Callable[[Any], bool], name: str) -> None:
        self.sentence = sentence
        self.test = test
        self.name = name

    def __call__(self, subject: Any) -> bool:
        """Asked once per attempt: the door keeps the answers while it holds the row."""
        memo = subject.__dict__.get("_guard_answers")
        if memo is None:
            return bool(self.test(subject))
        if self.name not in memo:
            memo[self.name] = bool(self.test(subject))
        return bool(memo[self.name])

    def __repr__(self) -> str:
        return f"<guard {self.name}>"


def guard(sentence: str) -> Callable[[Callable[[Any], bool]], Guard]:
    """A condition of a step: true, or refused with `sentence`."""

    def wrap(test: Callable[[Any], bool]) -> Guard:
        return Guard(sentence, test, test.__name__)

    return wrap


def at(state: str | Iterable[str], rule: Guard) -> Guard:
    """The rule counts only for requests that come from this state (or one of these)."""
    states = {state} if isinstance(state, str) else set(state)
    return Guard(
        rule.sentence,
        lambda subject: subject.state not in states or rule(subject),
        f"{rule.name}@{'+'.join(sorted(states))}",
    )


@dataclass(frozen=True)
class Check:
    """A rule over the facts given with a step: an error beside `field`."""

    field: str
    sentence: str
    test: Callable[[Any, dict[str, Any]], bool]


def check(field: str, sentence: str) -> Callable[[Callable[[Any, dict[str, Any]], bool]], Check]:
    """A condition on the facts of a step: true, or an error beside the field."""

    def wrap(test: Callable[[Any, dict[str, Any]], bool]) -> Check:
        return Check(field, sentence, test)

    return wrap


@check("reason", "Say why, in a sentence.")
def reason(subject: Any, facts: dict[str, Any]) -> bool:
    """A reason is written down with the step."""
    return bool(facts.get("reason", "").strip())


@dataclass(frozen=True)
class Step:
    """One row of a process table, as declared: what the door needs to know."""

    name: str
    label: str
    source: str
    target: str | None
    who: tuple[Who, ...]
    given: tuple[Guard, ...]
    check: tuple[Check, ...]
    tell: tuple[str, ...]
    writes: tuple[str, ...]
    stamps: tuple[str, ...]
    clears: tuple[str, ...]
    doc: str
    line: int

    @property
    def clauses(self) -> list[str]:
        """The process sentences this row implements."""
        return CLAUSE.findall(self.doc)

    def allowed(self, subject: Any, actor: Actor) -> bool:
        """Whether this actor is one of the people the row names."""
        return any(w.allows(subject, actor) for w in self.who)

    def blockers(self, subject: Any) -> list[str]:
        """The sentences of the guards that do not hold."""
        return [g.sentence for g in self.given if not g(subject)]

    def verify_facts(self, subject: Any, facts: dict[str, Any]) -> None:
        """Raises ValidationError by field where a given fact does not do."""
        errors: dict[str, list[str]] = {}
        for rule in self.check:
            if not rule.test(subject, facts):
                errors.setdefault(rule.field, []).append(rule.sentence)
        if errors:
            raise ValidationError(errors)


def step(
    source: str | Sequence[str],
    target: str | None,
    *,
    who: Sequence[Who],
    given: Sequence[Guard] = (),
    check: Sequence[Check] = (),
    tell: str | Sequence[str] = (),
    label: str = "",
    writes: Sequence[str] = (),
    stamps: Sequence[str] = (),
    clears: Sequence[str] = (),
) -> Callable[[Any], Any]:
    """Declare one row: from `source` to `target` (None: the state stays) by `who`, given guards.

    `check` looks at the facts passed to the door; `tell` names the notices the row promises.
    `writes` are facts kept on the row, `stamps` are fields set to the moment, `clears` are emptied.
    Stack two declarations where sources differ in who or what they need.
    """
    sources = [source] if isinstance(source, str) else list(source)

    def wrap(method: Any) -> Any:
        plain = inspect.unwrap(method)
        for one in sources:
            row = Step(
                name=plain.__name__,
                label=label or plain.__name__.replace("_", " ").capitalize(),
                source=str(one),
                target=None if target is None else str(target),
                who=tuple(who),
                given=tuple(given),
                check=tuple(check),
                tell=(tell,) if isinstance(tell, str) else tuple(tell),
                writes=tuple(writes),
                stamps=tuple(stamps),
                clears=tuple(clears),
                doc=inspect.getdoc(plain) or "",
                line=plain.__code__.co_firstlineno,
            )
            method = transition(
                field="state",
                source=row.source,
                target=row.target,
                conditions=list(row.given),
                permission=lambda subject, person, row=row: row.allowed(subject, as_actor(person)),
                custom={"step": row},
            )(method)
        return method

    return wrap


def _methods(model: type[models.Model]) -> dict[str, Any]:
    """The step methods of a machine, by name, as django_fsm collected them."""
    field: Any = model._meta.get_field("state")
    return field.transitions[model]


def steps_of(model: type[models.Model]) -> list[Step]:
    """Every declared row of a model's machine, in the order of the file."""
    rows = [
        transition.custom["step"]
        for method in _methods(model).values()
        for transition in method._django_fsm.transitions.values()
    ]
    return sorted(rows, key=lambda row: row.line)


def find_step(subject: Any, name: str) -> Step | None:
    """The row called `name` that starts in the subject's state, or None."""
    method = _methods(type(subject)).get(name)
    found = method and method._django_fsm.transitions.get(subject.state)
    return found.custom["step"] if found else None


def blockers(subject: Any, name: str) -> list[str]:
    """Why this step is not possible now: the sentences for a disabled button and for an error."""
    row = find_step(subject, name)
    if row is None:
        return [f"Not possible while {subject.get_state_display().lower()}."]
    return row.blockers(subject)
