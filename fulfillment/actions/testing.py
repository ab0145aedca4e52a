"""Test runs, and what follows from them: back to the work, or the charge decision (F9-F11)."""

from typing import Any

from django.db.models import Max, Q

from fulfillment import forms
from fulfillment.work_models import TestRun
from requests_app.files import store
from requests_app.models import Attachment, Request
from requests_app.states import S
from requests_app.who import member
from workflow import clock
from workflow.actors import Actor
from workflow.door import advance, record
from workflow.machine import guard
from workflow.registry import action

REQUEST = "requests_app.request"


@action("submit_for_testing", "Submit for testing", model=REQUEST, at=[S.IN_FULFILLMENT],
        place="next", order=10)  # fmt: skip
def submit_for_testing(request: Request, *, by: Actor) -> Request:
    """Every plan item is done or cancelled: test the solution (F9)."""
    return advance(request, "submit_for_testing", by=by)


@guard("It has been tested since it was last submitted.")
def untested(request: Request) -> bool:
    return request.last_test_run is None


@action("record_test_run", "Record a test run", model=REQUEST, at=[S.TESTING],
        form=forms.TestRunForm, who=[member], place="tests", order=10,
        first_while=untested)  # fmt: skip
def record_test_run(
    request: Request,
    *,
    by: Actor,
    result: str,
    cases: list[dict[str, str]],
    findings: str = "",
    evidence: Any = None,
) -> TestRun:
    """Cases, result, tester, evidence. The doer may test, but it is recorded (F9)."""
    tester: Any = by.person
    last = request.test_runs.aggregate(last=Max("number"))["last"] or 0
    kept = evidence and store(request, evidence, by=by, purpose=Attachment.Purpose.EVIDENCE)
    run = TestRun.objects.create(
        request=request,
        pass_number=request.pass_number,
        number=last + 1,
        result=result,
        cases=cases,
        findings=findings,
        tester=tester,
        tester_did_the_work=did_the_work(request, tester),
        evidence=kept or None,
        at=clock.now(),
    )
    record(
        request,
        "record_test_run",
        by=by,
        facts={
            "number": run.number,
            "result": result,
            "cases": len(cases),
            "tester_did_the_work": run.tester_did_the_work,
            "findings": findings,
        },
    )
    return run


def did_the_work(request: Request, person: Any) -> bool:
    """Whether the tester also worked on it: has it, logged time on it or was given a piece (F9)."""
    if request.specialist_id == person.pk:
        return True
    mine = Q(time_entries__user=person, time_entries__pass_number=request.pass_number)
    mine |= Q(plan_items__assignee=person, plan_items__pass_number=request.pass_number) & ~Q(
        plan_items__state="cancelled"
    )
    return Request.objects.filter(mine, pk=request.pk).exists()


@action("fail_test", "Back to fulfillment", model=REQUEST, at=[S.TESTING],
        place="next", order=12)  # fmt: skip
def fail_test(request: Request, *, by: Actor) -> Request:
    """The test failed: back to the work with the findings; the run stays (F9)."""
    return advance(request, "fail_test", by=by)


@action("forward_to_representative", "No charge: forward to the representative", model=REQUEST,
        at=[S.TESTING], form=forms.NoChargeForm, place="next", order=14)  # fmt: skip
def forward_to_representative(
    request: Request, *, by: Actor, basis: str, no_charge_reason: str
) -> Request:
    """Tested, nothing to charge: recorded; the representative tells the customer (F10, F11)."""
    return advance(
        request,
        "forward_to_representative",
        by=by,
        basis=basis,
        no_charge_reason=no_charge_reason,
    )
