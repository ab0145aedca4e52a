"""Who does a step: a person with an account, a customer without one, or the system."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workflow.models import User


@dataclass(frozen=True)
class Actor:
    """`user` is the person who acts or, for the system, the person whose act caused the step.

    `contact` is who a customer is, for rows that not every customer may take.
    """

    kind: str
    name: str
    user: "User | None" = None
    contact: Any = None

    def caused_by(self, by: "User | Actor") -> "Actor":
        """The system acting because of what this person just did."""
        other = as_actor(by)
        return Actor(self.kind, self.name, other.user)

    @property
    def person(self) -> "User | None":
        """The acting person; None for the system and for customers."""
        return self.user if self.kind == "person" else None


SYSTEM = Actor("system", "Throughline")


def customer(name: str, contact: Any = None) -> Actor:
    """A customer, who acts without an account; `contact` where it is known who it is."""
    return Actor("customer", name, contact=contact)


def as_actor(by: "User | Actor") -> Actor:
    """People are passed as their account everywhere; here they become actors."""
    if isinstance(by, Actor):
        return by
    name = by.get_full_name() or by.get_username()
    return Actor("person", name, getattr(by, "_wrapped", by))  # the account behind a lazy one


@dataclass(frozen=True)
class Who:
    """One kind of people that a row of the process table names."""

    label: str
    test: Callable[[Any, Actor], bool]
    kinds: frozenset[str] = frozenset({"person"})

    def allows(self, subject: Any, actor: Actor) -> bool:
        """Administrators may do what any person may; the event says that they did."""
        if actor.kind not in self.kinds:
            return False
        person = actor.person
        if person is not None and (not person.is_active or person.is_auditor):
            return False
        if person is not None and person.is_superuser:
            return True
        return self.test(subject, actor)


def who(label: str) -> Callable[[Callable[[Any, "User"], bool]], Who]:
    """Name a kind of people by a test over the subject and the person."""

    def wrap(test: Callable[[Any, "User"], bool]) -> Who:
        return Who(label, lambda subject, actor: test(subject, actor.user))  # type: ignore[arg-type]

    return wrap


BY_SYSTEM = Who("system", lambda subject, actor: True, frozenset({"system"}))
BY_CUSTOMER = Who("customer", lambda subject, actor: True, frozenset({"customer"}))
