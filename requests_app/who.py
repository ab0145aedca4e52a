"""The people that rows of the process table name, as tests over the request and the person."""

from typing import TYPE_CHECKING, Any

from workflow.actors import BY_CUSTOMER, BY_SYSTEM, Actor, Who, who

if TYPE_CHECKING:
    from workflow.models import User

SYSTEM = BY_SYSTEM
CUSTOMER = BY_CUSTOMER


@who("CAR")
def car(request: Any, user: "User") -> bool:
    """The agency's representative or deputy; any representative where there is none."""
    return request.stream().is_represented_by(user)


@who("member")
def member(request: Any, user: "User") -> bool:
    """A member of the request's provider group (its lead is one)."""
    return request.stream().is_member(user)


@who("specialist")
def specialist(request: Any, user: "User") -> bool:
    """The member who has the request, or the group's lead."""
    root = request.stream()
    return (root.specialist_id == user.pk and root.is_member(user)) or root.is_lead(user)


@who("lead")
def lead(request: Any, user: "User") -> bool:
    """A lead of the request's provider group."""
    return request.stream().is_lead(user)


@who("billing office")
def billing_office(request: Any, user: "User") -> bool:
    """Keeps rates, billing codes and customer contracts."""
    return user.is_billing


@who("discovery team")
def team(request: Any, user: "User") -> bool:
    """A member of the team of the open discovery (D5)."""
    return request.stream().is_on_team(user)


@who("representative")
def any_representative(request: Any, user: "User") -> bool:
    """Any account representative, whoever the agency belongs to."""
    return user.is_representative


@who("staff who see the request")
def staff(request: Any, user: "User") -> bool:
    """Everybody who works on the request: its representative, its group, its discovery team."""
    root = request.stream()
    return (
        user.is_representative
        or user.is_billing
        or user.is_asd_manager
        or root.is_member(user)
        or root.is_on_team(user)
    )


def _is_requester(request: Any, actor: Actor) -> bool:
    """The contact who asked for it."""
    return actor.contact is not None and actor.contact.pk == request.stream().contact_id


def _is_of_the_agency(request: Any, actor: Actor) -> bool:
    """Any contact of the request's agency: whoever has an address of its tracking page is one."""
    return actor.contact is not None and actor.contact.agency_id == request.stream().agency_id


REQUESTER = Who("requester", _is_requester, frozenset({"customer"}))
FOLLOWER = Who("customer who follows it", _is_of_the_agency, frozenset({"customer"}))
