"""Two different decisions at the same moment: one counts, the other is told so, nobody else is."""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError

from notifications.models import Notice
from requests_app.models import Request
from requests_app.states import S
from tests import walk
from tests.discovery.steps import drafted
from tests.factories import Office
from tests.faults.harness import Broker, Web, environment, web
from tests.fulfillment.racing import WAIT, at_once
from tests.notifications.post import Post
from workflow import door, registry
from workflow.machine import Refused
from workflow.registry import perform

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]
CANCEL = {"reason": "Not needed any more."}
DECLINE = {"reason": "We do not offer this.", "outcome": "not_offered"}
ACCEPTED = {"answered_by": "Sam Signatory", "note": "Signed on paper."}
DECLINED = {"answered_by": "Sam Signatory", "reason": "Too dear."}
ROUNDS = 20

Press = Callable[[], tuple[int, str]]


def _race(site: Web, request: Request, one: Press, other: Press) -> None:
    """One wins with a redirect, the other gets the page as it is now, with its sentence."""
    answers = at_once(one, other)
    statuses = sorted(a[0] if isinstance(a, tuple) else a for a in answers)
    assert statuses in ([302, 409], [303, 409]), (answers, site.log.read_text()[-3000:])
    [lost] = [body for status, body in answers if status == 409]
    assert "Not done." in lost
    request.refresh_from_db()


def test_of_two_decisions_on_a_request_or_proposal_one_counts(
    office: Office, mail: tuple[Post, int], broker: Broker, tmp_path: Path
) -> None:
    """TA05 against the real web server: cancel against decline, accept against decline."""
    told = environment(tmp_path, broker.address, mail[1])
    with web(told, tmp_path) as site:
        rep, won = office.rep, Counter[str]()
        for _ in range(4):
            request = office.request()
            _race(
                site,
                request,
                lambda r=request: site.act(r, "cancel", rep, expect="triage", **CANCEL),
                lambda r=request: site.act(r, "decline", rep, expect="triage", **DECLINE),
            )
            won[request.state] += 1
            _only_the_winner_is_told(request, {"cancelled", "declined"}, request.state)
        for _ in range(2):
            request = office.request()
            drafted(request, rep)
            walk.do(request, "issue_proposal", rep)
            _race(
                site,
                request,
                lambda r=request: site.act(r, "record_acceptance", rep, **ACCEPTED),
                lambda r=request: site.act(r, "record_decline", rep, **DECLINED),
            )
            state = request.proposals.get().state
            assert state in ("accepted", "declined")
            _only_the_winner_is_told(
                request, {"proposal_accepted", "proposal_declined"}, f"proposal_{state}"
            )


def _only_the_winner_is_told(request: Request, either: set[str], winner: str) -> None:
    """One notice, of the one decision that counts, and one event behind it."""
    notices = Notice.objects.filter(event__stream_id=request.pk, template__in=either)
    assert [n.template for n in notices] == [winner]
    assert [e.number for e in request.events.order_by("number")] == list(
        range(1, request.events.count() + 1)
    )


def test_of_two_decisions_in_one_process_one_counts(office: Office) -> None:
    """TA05, many times over: the loser reads where the request is now; no notice is the loser's."""
    for _ in range(ROUNDS):
        request = office.request()
        answers = _both(office, request)
        [lost] = [a for a in answers if isinstance(a, Exception)]
        assert isinstance(lost, Refused)
        request.refresh_from_db()
        assert str(lost).startswith(
            f"Not possible any more: it is {request.get_state_display().lower()} now"
        )
        _only_the_winner_is_told(request, {"cancelled", "declined"}, request.state)


def _both(office: Office, request: Request) -> list[Any]:
    return at_once(
        lambda: perform(request, "cancel", by=office.rep, data=CANCEL),
        lambda: perform(request, "decline", by=office.rep, data=DECLINE),
    )


def test_control_without_the_lock_both_decisions_go_through_or_collide(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of TA05: with the lock taken out nobody is refused in words any more."""
    request = office.request()
    meeting = threading.Barrier(2)

    def fresh(subject: Any, step: str = "") -> Any:
        row = type(subject)._base_manager.get(pk=subject.pk)
        here = threading.current_thread()
        if row.state == S.TRIAGE and not getattr(here, "met", False):
            here.met = True  # type: ignore[attr-defined]
            meeting.wait(WAIT)
        return row

    monkeypatch.setattr(door, "lock", fresh)
    monkeypatch.setattr(registry, "lock", fresh)
    answers = _both(office, request)
    assert not [a for a in answers if isinstance(a, Refused)]
    won = [a for a in answers if not isinstance(a, Exception)]
    assert len(won) == 2 or any(isinstance(a, IntegrityError) for a in answers)
