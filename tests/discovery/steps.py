"""Discovery step by step, for the tests of every stage."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from requests_app.models import Request
from tests.factories import Office
from tests.walk import do, later, to_discovery
from workflow import clock


def pdf_file(name: str = "po.pdf") -> SimpleUploadedFile:
    """A small file that is what its name says."""
    return SimpleUploadedFile(name, b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n", "application/pdf")


def documented(office: Office, **fields: Any) -> Request:
    request = to_discovery(office, **fields)
    do(request, "document", office.rep, requested_service="A public queue display",
       why_outside_scope="No service of ours covers it.", new_customer="")  # fmt: skip
    return request


def in_client_discovery(office: Office, **fields: Any) -> Request:
    request = documented(office, **fields)
    do(request, "add_team_member", office.rep, user=office.specialist.pk, role="technical")
    do(request, "start_client_discovery", office.rep)
    return request


def finalised(office: Office, **fields: Any) -> Request:
    """Findings say *more*; the team is done with the client."""
    request = in_client_discovery(office, **fields)
    do(request, "add_finding", office.specialist, kind="meeting",
       on=clock.today().isoformat(), text="They need two displays, not one.")  # fmt: skip
    need = request.discovery.needs.get()
    do(request, "judge_need", office.specialist, need=need.pk, verdict="more", quantity_after="2")
    do(request, "determine", office.specialist, determination="more",
       revised_scope="Two displays with one queue.")  # fmt: skip
    do(request, "finalise_discovery", office.specialist)
    return request


def drafted(request: Request, by: Any, rate: str = "1500.00", **proposal: Any) -> None:
    do(request, "draft_proposal", by, **{"summary": "Two displays.", "valid_until": later(30),
                                         **proposal})  # fmt: skip
    do(request, "add_proposal_line", by, kind="one_off", description="Set-up", quantity="1",
       unit="piece", rate=rate)  # fmt: skip


def accepted(request: Request, rep: Any) -> None:
    do(request, "issue_proposal", rep)
    do(request, "record_acceptance", rep, answered_by="Sam Signatory", note="Signed on paper.")


def ordered(request: Request, rep: Any, amount: str = "5000.00") -> None:
    do(request, "record_purchase_order", rep, number="PO-1", amount=amount,
       issued_on=clock.today().isoformat(), files={"file": pdf_file()})  # fmt: skip


def outcome(request: Request, office: Office, **facts: Any) -> None:
    do(request, "state_outcome", office.rep, **{
        "ending": "proposal", "kind": "enhancement", "service": office.service.pk,
        "provider_group": office.group.pk, "service_level": "one_off", "estimate_hours": "12",
        **facts,
    })  # fmt: skip
