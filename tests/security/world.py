"""One of everything, twice: ours, and the same of other people's. And everybody who might look."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver

from asd.models import ServiceUpdate
from billing.models import BillingCase, ChargeLine
from discovery.models import (
    Discovery,
    Finding,
    Need,
    PartLine,
    Proposal,
    ProposalLine,
    PublishedList,
    TeamMember,
)
from fulfillment.work_models import PlanItem, TimeEntry
from requests_app.files import store
from requests_app.mail_in.store import store as store_mail
from requests_app.models import InboundMessage, Request, Watcher
from tests.factories import ContactFactory, MembershipFactory, Office, PartRateFactory, UserFactory
from workflow import clock
from workflow.models import ApiToken, SavedFilter, next_reference

TITLE = "Orange telephones"
REPORT = "open-by-age"


class Rows:
    """One request of an office with a row of every kind that can hang on it."""

    def __init__(self, office: Office, state: str = "testing") -> None:
        self.office = office
        self.request = office.request(title=TITLE, description="In the tower, secretly.")
        Request.objects.filter(pk=self.request.pk).update(
            state=state,
            kind="enhancement",
            provider_group=office.group,
            specialist=office.specialist,
        )
        self.request = Request.objects.get(pk=self.request.pk)
        request, today = self.request, clock.today()
        self.attachment = store(
            request, SimpleUploadedFile("a.txt", b"text"), by=office.rep, public=True
        )
        self.watcher = Watcher.objects.create(
            request=request, contact=ContactFactory(agency=office.agency)
        )
        raw = b"From: jo@agency.example\r\n\r\nWords about " + request.reference.encode()
        self.message = store_mail(raw, source="pipe")
        InboundMessage.objects.filter(pk=self.message.pk).update(
            state="applied", request=request, subject=TITLE
        )
        self.item = PlanItem.objects.create(request=request, title="Do it", estimate_hours=4)
        self.time = TimeEntry.objects.create(request=request, user=office.specialist, hours=1)
        self.discovery = Discovery.objects.create(request=request)
        self.need = Need.objects.create(discovery=self.discovery, description="A need")
        self.finding = Finding.objects.create(
            discovery=self.discovery, text="Found", author=office.rep
        )
        self.member = TeamMember.objects.create(discovery=self.discovery, user=office.specialist)
        self.proposal = Proposal.objects.create(
            request=request,
            discovery=self.discovery,
            reference=next_reference("PRO"),
            valid_until=today + timedelta(days=30),
            pdf=self.attachment,
        )
        self.proposal_line = ProposalLine.objects.create(
            proposal=self.proposal, description="A line", quantity=1, rate=Decimal(10)
        )
        self.rate = PartRateFactory()
        self.part_line = PartLine.objects.create(
            request=request, name="A part", part=self.rate.part, to_order=True
        )
        self.case = BillingCase.objects.create(request=request, reference=next_reference("BIL"))
        self.charge = ChargeLine.objects.create(
            case=self.case,
            description="Hours",
            quantity=1,
            rate=Decimal(95),
            basis="rate_card",
            rate_card_line=office.rate,
            evidence="1 h",
        )
        self.update = ServiceUpdate.objects.create(request=request, change="Something")


class World:
    """Ours and theirs, and the people who look at ours."""

    def __init__(self) -> None:
        self.office = Office()
        self.ours = Rows(self.office)
        self.theirs = Rows(Office())
        self.published = PublishedList.objects.create(number=1, rows=[])
        self.token = ApiToken.objects.create(user=self.office.rep, name="mine", digest="0" * 64)
        self.filter = SavedFilter.objects.create(
            user=self.office.rep, page="requests", name="mine", query="state=triage"
        )
        office = self.office
        self.people: dict[str, Any] = {
            "anonymous": None,
            "rep": office.rep,
            "rep2": office.rep2,
            "member": office.specialist2,
            "stranger": MembershipFactory(group=office.other_group, is_lead=True).user,
            "billing": office.billing,
            "asd": office.asd,
            "auditor": office.auditor,
            "nobody": UserFactory(is_staff=True),
            "admin": UserFactory(admin=True),
        }

    def address(self, pattern: str) -> str:
        """A pattern with what names our rows in it."""
        office, ours = self.office, self.ours
        by_prefix = {
            "billing": ours.case.reference,
            "proposals": ours.proposal.reference,
            "cases": ours.request.case.reference,
        }
        place = pattern.removeprefix("api/v1/").lstrip("^").split("/")[0]
        place = "billing" if place == "billing-cases" else place
        slug = office.service.slug if "services" in pattern else office.group.slug
        pk = {"mail": ours.message.pk, "files": ours.attachment.pk, "tokens": self.token.pk,
              "filters": self.filter.pk, "contacts": office.contact.pk,
              "agreements": office.agreement.pk}  # fmt: skip
        words = {
            "reference": by_prefix.get(place, ours.request.reference),
            "name": "take_up"
            if "mail" in pattern
            else "triage"
            if "actions" in pattern
            else REPORT,
            "slug": slug,
            "group": office.group.slug,
            "code": office.agency.code,
            "pk": next((str(v) for k, v in pk.items() if k in pattern), "1"),
            "step": "retire",
            "kind": "csv",
            "what": "agency",
            "number": "1",
            "key": "00000000-0000-4000-8000-000000000000",
            "signed": "no-such-signature",
            "token": "no-such-token",
            "then": "rate/",
            "score": "4",
            "uidb64": "MQ",
        }
        return "/" + fill(pattern, {k: str(v) for k, v in words.items()})


def fill(pattern: str, words: dict[str, str]) -> str:
    """A URL pattern, plain or regular, with its parameters given."""
    text = pattern.replace("^", "").replace("$", "").replace("\\.", ".")
    for name, value in words.items():
        while f"(?P<{name}>" in text:
            start = text.index(f"(?P<{name}>")
            depth, end = 0, start
            for sign in text[start:]:
                depth += (sign == "(") - (sign == ")")
                if depth == 0:
                    break
                end += 1
            text = text[:start] + value + text[end + 1 :]
        for kind in ("str:", "slug:", "int:", "uuid:", "path:", ""):
            text = text.replace(f"<{kind}{name}>", value)
    return text


def patterns() -> dict[str, str]:
    """Every URL name of the program with its pattern, the admin's apart."""
    found: dict[str, str] = {}

    def walk(many: list[Any], prefix: str) -> None:
        for one in many:
            here = prefix + str(one.pattern)
            if isinstance(one, URLResolver) and not here.startswith("admin"):
                walk(one.url_patterns, here)
            elif isinstance(one, URLPattern):
                found[str(one.name)] = here

    walk(get_resolver().url_patterns, "")
    return found
