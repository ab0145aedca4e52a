"""Role × state × step through the door: only the listed people move, all others change nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection

from notifications.models import Notice
from requests_app.models import Request
from requests_app.states import Kind
from tests.factories import MembershipFactory, Office, UserFactory
from tests.process import table
from workflow import clock
from workflow.actors import SYSTEM, Actor, as_actor, customer
from workflow.door import advance
from workflow.machine import Refused
from workflow.models import Event

CAR, MEMBER, SPECIALIST, LEAD = table.CAR, table.MEMBER, table.SPECIALIST, table.LEAD
ALL_STAFF = {CAR, MEMBER, SPECIALIST, LEAD}
HAS_SPECIALIST = {table.A, table.PL, table.F, table.TE, table.B, table.CN}
FACTS: dict[str, Any] = {"reason": "Because it has to be so.", "message": "It is done."}


@dataclass
class Cast:
    """Everybody there is, with the words of the table that count for each."""

    office: Office
    roles: dict[str, tuple[Any, set[str]]]


@pytest.fixture
def cast(office: Office) -> Cast:
    deputy = UserFactory(rep=True)
    office.agency.deputy = deputy
    office.agency.save()
    gone = UserFactory(rep=True, is_active=False)
    office.agency.save()
    other_lead = MembershipFactory(group=office.other_group, is_lead=True).user
    nobody = UserFactory()
    return Cast(
        office,
        {
            "representative": (office.rep, {CAR}),
            "deputy": (deputy, {CAR}),
            "another representative": (office.rep2, set()),
            "representative who left": (gone, set()),
            "lead": (office.lead, {MEMBER, SPECIALIST, LEAD}),
            "specialist who has it": (office.specialist, {MEMBER, SPECIALIST}),
            "another specialist": (office.specialist2, {MEMBER}),
            "member of another group": (office.stranger, set()),
            "lead of another group": (other_lead, set()),
            "billing office": (office.billing, set()),
            "ASD manager": (office.asd, set()),
            "auditor": (office.auditor, set()),
            "auditor and administrator": (
                UserFactory(auditor=True, admin=True),
                set(),
            ),
            "administrator": (UserFactory(admin=True), ALL_STAFF),
            "staff without any role": (nobody, set()),
            "system": (SYSTEM, {table.SYSTEM}),
            "customer": (customer("A Contact"), {table.CUSTOMER}),
        },
    )


def placed(office: Office, state: str) -> Request:
    """A request in this state with what the database asks of it. Rights read nothing more."""
    request = office.request()
    Request.objects.filter(pk=request.pk).update(
        state=state,
        kind=Kind.ENHANCEMENT,
        specialist=office.specialist if state in HAS_SPECIALIST else None,
        closed_at=clock.now() if state in table.ENDS else None,
    )
    return Request.objects.get(pk=request.pk)


def picture(request: Request) -> tuple[Any, ...]:
    """All that a refused step might have changed."""
    row = Request.objects.filter(pk=request.pk).values().get()
    return (row, Event.objects.count(), Notice.objects.count())


def listed(step: str, state: str) -> set[str]:
    """Who the table names for a step in a state; nobody where there is no such row."""
    return {who for name, at, _, people in table.STEPS for who in people
            if name == step and state in at}  # fmt: skip


def attempt(request: Request, step: str, by: Any) -> str:
    """What came of it; a move is taken back so that the next one finds the same request."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT attempt")
        answer = _answer(lambda: advance(request, step, by=by, **FACTS))
        if answer == "moved":
            _one_event(request, step, as_actor(by))
            cursor.execute("ROLLBACK TO SAVEPOINT attempt")
    return answer


def _answer(take: Callable[[], Any]) -> str:
    try:
        take()
    except PermissionDenied:
        return "denied"
    except Refused as refused:
        return refused.code
    except ValidationError:
        return "invalid"
    return "moved"


def _one_event(request: Request, step: str, actor: Actor) -> None:
    events = Event.objects.filter(stream_id=request.pk, name=step)
    assert events.count() == 1, f"{step} left {events.count()} events of its name"
    event = events.get()
    assert (event.source, event.actor_kind) == (request.state, actor.kind)
    told = set(event.notices.values_list("template", flat=True))
    assert told <= set(table.TOLD.get(step, [])), f"{step} told {told}"


@pytest.mark.parametrize("state", table.STATES)
def test_only_the_people_of_the_table_move_it(state: str, cast: Cast) -> None:
    """TD02: every step there is, tried by everybody there is, in every state."""
    request = placed(cast.office, state)
    for step in dict.fromkeys(name for name, *_ in table.STEPS):
        may = listed(step, state)
        before = picture(request)
        for role, (person, counts_as) in cast.roles.items():
            if not may and role not in ("representative", "administrator", "system"):
                continue
            answer = attempt(request, step, person)
            what = f"{role}: {step} from {state} was {answer}"
            if not may:
                assert answer == "wrong_state", what
            elif may & counts_as:
                assert answer in ("moved", "refused", "invalid"), what
            else:
                assert answer == "denied", what
        assert picture(request) == before, f"{step} from {state} was refused and changed something"


def test_strangers_learn_no_reasons(cast: Cast) -> None:
    """Rights come before conditions: who may not do it is not told what is missing."""
    request = placed(cast.office, table.TE)
    with pytest.raises(PermissionDenied) as denied:
        advance(request, "open_billing", by=cast.office.stranger)
    assert str(denied.value) == ""


def test_any_representative_may_act_where_there_is_none(cast: Cast) -> None:
    """X5: nobody represents it, so whoever is free does."""
    office = cast.office
    request = placed(office, table.T)
    Request.objects.filter(pk=request.pk).update(representative=None)
    office.agency.representative = office.agency.deputy = None
    office.agency.save()
    fresh = Request.objects.get(pk=request.pk)
    assert advance(fresh, "hold", by=office.rep2, reason="Waiting.", review_on=_later()).is_on_hold


def test_a_personal_deputy_acts_only_while_the_representative_is_away(cast: Cast) -> None:
    """X5."""
    office = cast.office
    request = placed(office, table.T)
    office.rep.deputy = office.rep2
    office.rep.save()
    with pytest.raises(PermissionDenied):
        advance(request, "cancel", by=office.rep2, reason="Withdrawn.")
    office.rep.away_from = clock.today()
    office.rep.save()
    assert advance(request, "cancel", by=office.rep2, reason="Withdrawn.").state == table.CA


def _later() -> Any:
    return clock.today().replace(year=clock.today().year + 1, day=1)
