"""What the request page shows, gathered once; the template only lays it out (D14, X7)."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q

from asd.models import Contact
from requests_app.customer_actions import withdrawal_asked
from requests_app.history import told
from requests_app.line import line_of
from requests_app.link_actions import links_of
from requests_app.mail_models import MailState
from requests_app.models import (
    Attachment,
    CaseEntry,
    InboundMessage,
    Link,
    Request,
    TriageDecision,
    Watcher,
)
from requests_app.states import FULFILLMENT, WAITS_FOR, S
from requests_app.triage import CHECKLIST, Recommendation, Scope, recommend, scope_of, standard_from
from requests_app.undeliverable import marks_of
from workflow import clock
from workflow.models import User
from workflow.registry import ActionForm, Offer, Section, offers, sections_of

REQUEST = "requests_app.request"
ENTRIES, CHANGES = 20, 25
TRIAGE_TABLE = (
    ("yes", "yes", "yes", "Assistance: CRM Pending Queue", (True, True, True)),
    ("no", "yes", "yes", "Enhancement: awaiting scheduling", (False, True, True)),
    ("any", "no", "any", "Discovery", (None, False, None)),
    ("any", "yes", "no", "Discovery (may only need onboarding)", (None, True, False)),
)


def for_page(user: User) -> Any:
    """The requests this person may see, with what the page shows of them."""
    return Request.objects.visible_to(user).select_related(
        "agency__representative",
        "agency__deputy",
        "contact",
        "service",
        "provider_group__calendar",
        "representative__deputy",
        "specialist",
        "taken_in_by",
        "case",
        "forecast",
    )


def page_context(
    req: Request,
    user: User,
    params: Any,
    bound: tuple[str, ActionForm] | None = None,
    refusal: str = "",
    kept: list[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Everything on the request page for one person.

    `bound` is the form that came back with errors; `refusal` the sentence of the process;
    `kept` what was typed into a form that does not exist any more, so that it is not lost.
    """
    found = offers(req, user)
    by_name = {offer.name: offer for offer in found}
    if bound and bound[0] in by_name:
        by_name[bound[0]].form = bound[1]
    scope = scope_of(req, req.service)
    represents = req.is_represented_by(user)
    files = list(_files(req))
    parts = sections_of(req, user)
    return {
        "req": req,
        "offers": by_name,
        **_next(found),
        "below": _below(found, parts),
        "acted": bound[0] if bound else "",
        "refusal": refusal,
        "kept": kept or [],
        "scope": scope,
        "line": line_of(req),
        "waits": waits(req),
        "holder": holder(req),
        "represents": represents,
        "links": links_of(req) if represents else [],
        "withdrawal": withdrawal_asked(req),
        "ratings": list(req.ratings.all()),
        "questions": list(req.questions.waiting().prefetch_related("reminders"))
        if req.is_on_hold
        else [],
        "entries": _page(_entries(req), params.get("updates"), ENTRIES),
        "files": files,
        "loose_files": [f for f in files if f.entry_id is None],
        "watchers": Watcher.objects.filter(request=req).select_related("contact", "user"),
        "undeliverable": marks_of(req),
        "related": related(req, user),
        "billing_cases": list(req.billing_cases.all()),
        "changes": changes_page(req, params.get("changes")),
        "asked_by_mail": _asked_by_mail(req),
        "sections": parts,
        **_triage(req, by_name.get("triage"), scope),
    }


def print_context(req: Request, user: User) -> dict[str, Any]:
    """The whole case for paper: every update and every change, nothing to press."""
    entries = _entries(req).order_by("at", "pk")
    return {
        "req": req,
        "scope": scope_of(req, req.service),
        "line": line_of(req),
        "entries": entries,
        "files": list(_files(req)),
        "watchers": Watcher.objects.filter(request=req).select_related("contact", "user"),
        "related": related(req, user),
        "billing_cases": list(req.billing_cases.all()),
        "decision": req.triage,
        "changes": told(req.events.select_related("actor", "subject_type").order_by("number")),
        "printed_at": clock.now(),
    }


def _next(found: list[Offer]) -> dict[str, list[Offer]]:
    """The way forward, then what stands beside it; what is dangerous comes last."""
    forward = [o for o in found if o.place == "next"]
    beside = [o for o in found if o.place == "more"]
    beside.sort(key=lambda o: (bool(o.blockers), o.action.danger, o.action.order))
    return {
        "forward": [o for o in forward if not o.blockers],
        "forward_blocked": [o for o in forward if o.blockers],
        "beside": [o for o in beside if not o.blockers],
        "beside_blocked": [o for o in beside if o.blockers],
    }


def _below(found: list[Offer], parts: list[Section]) -> list[Offer]:
    """What can be done now in a section further down, so that nobody has to look for it."""
    names = {part.name for part in parts}
    return [o for o in found if o.place in names and not o.blockers and not o.form.hidden_fields()]


def waits(req: Request) -> dict[str, str]:
    """On what the request waits and who must act, said of people by name where there are any."""
    if not req.is_open:
        return {}
    if req.is_on_hold:
        what = req.get_waiting_for_display() or "the review"
        return {"what": str(what), "who": _representative(req)}
    return {"what": WAITS_FOR[req.state], "who": _turn(req)}


def _turn(req: Request) -> str:
    group = req.provider_group.name if req.provider_group else "the provider group"
    if req.state in (S.ASSIGNED, S.PLANNING, S.IN_FULFILLMENT):
        return str(req.specialist or group)
    if req.state in (S.PENDING, S.SCHEDULED, S.TESTING):
        return f"a member of {group}"
    if req.state == S.AWAITING_SCHEDULING:
        return f"a lead of {group}"
    if req.state == S.DISCOVERY:
        return f"{_representative(req)} with the discovery team"
    if req.state == S.PARTS_MAINTENANCE:
        return "the billing office"
    return _representative(req)


def holder(req: Request) -> dict[str, str]:
    """Who has it now: the specialist, the group whose queue it is in, or the representative."""
    group = str(req.provider_group or "")
    if req.specialist is not None and req.state in (*FULFILLMENT, S.CLOSED):
        return {"who": str(req.specialist), "note": group}
    if req.state in (S.PENDING, S.AWAITING_SCHEDULING, S.SCHEDULED):
        return {"who": group, "note": "no specialist yet"}
    who = req.representative or req.agency.representative
    return {"who": str(who or "Nobody yet"), "note": "account representative" if who else ""}


def _representative(req: Request) -> str:
    person = req.representative or req.agency.representative
    if person is None:
        return "any account representative"
    if person.is_away and person.deputy is not None:
        return f"{person.deputy}, deputy of {person}"
    return str(person)


def _files(req: Request) -> Any:
    """The files of the case, with their updates; withdrawn ones leave a trace."""
    return Attachment.objects.filter(case__request=req).select_related("uploaded_by", "entry")


def _entries(req: Request) -> Any:
    """The conversation, newest first."""
    return (
        CaseEntry.objects.filter(case__request=req)
        .select_related("author", "message")
        .prefetch_related("attachments")
        .order_by("-at", "-pk")
    )


def _asked_by_mail(req: Request) -> InboundMessage | None:
    """The message that the request was made of."""
    if req.channel != Request.Channel.EMAIL:
        return None
    return req.messages.filter(state=MailState.REQUEST_MADE).first()


def _page(rows: Any, number: Any, size: int) -> Page:
    return Paginator(rows, size).get_page(number)


def changes_page(req: Request, number: Any) -> Page:
    """The request's history, newest first, in plain words (X7)."""
    rows = req.events.select_related("actor", "subject_type").order_by("-number")
    page = _page(rows, number, CHANGES)
    page.told = told(page.object_list)
    return page


def related(req: Request, user: User) -> list[dict[str, Any]]:
    """Linked requests; of those this person may not see only the reference is said (TD03)."""
    links = list(
        Link.objects.filter(Q(source=req) | Q(target=req)).select_related("source", "target")
    )
    others = {link.pk: link.target if link.source_id == req.pk else link.source for link in links}
    seen = set(
        Request.objects.visible_to(user)
        .filter(pk__in=[o.pk for o in others.values() if o])
        .values_list("pk", flat=True)
    )
    return [
        {
            "link": link,
            "other": others[link.pk],
            "outgoing": link.source_id == req.pk,
            "visible": others[link.pk] is not None and others[link.pk].pk in seen,
        }
        for link in links
    ]


def _triage(req: Request, offer: Offer | None, scope: Scope) -> dict[str, Any]:
    """The last decision, and in triage the table with the row that counts now (D2)."""
    decision = req.triage
    if offer is None:
        return {"decision": decision, "checklist": _answers(decision)}
    return {"decision": decision, **table(req, offer.form, scope)}


def _answers(decision: TriageDecision | None) -> list[tuple[str, Any]]:
    return [(text, decision.checklist.get(key)) for key, text in CHECKLIST] if decision else []


def table(req: Request, form: ActionForm, scope: Scope | None = None) -> dict[str, Any]:
    """The truth table for what the form says or would say: its answer and what changes it."""
    service = _chosen_service(form)
    if scope is None or service != req.service:
        scope = scope_of(req, service)
    known = form["service_known"].value() not in ("", None, False)
    existing = bool(service) if known else None
    current = scope.covered if service else (scope.in_force if known else None)
    answers = {key: {"yes": True, "no": False}.get(form[key].value()) for key, _ in CHECKLIST}
    standard = standard_from(answers)
    answer = recommend(standard, existing, current)
    return {
        "recommendation": answer,
        "scope_now": scope,
        "facts": [
            ("Standard request", standard),
            ("Existing service", existing),
            ("Current customer, covered by its SLA", current),
        ],
        "rows": [
            (*row[:4], _counts(row[4], (standard, existing, current), answer))
            for row in TRIAGE_TABLE
        ],
    }


def _counts(row: tuple[Any, ...], facts: tuple[Any, ...], answer: Recommendation) -> bool:
    """Whether this row of the table is the one that answers."""
    if answer.route == "unknown":
        return False
    return all(want is None or want == fact for want, fact in zip(row, facts, strict=True))


def _chosen_service(form: ActionForm) -> Any:
    value = form["service"].value()
    if not str(value or "").isdigit():
        return None
    return form.fields["service"].queryset.filter(pk=int(value)).first()


def contacts_of(agency: Any) -> Any:
    """The contacts that a request of this agency can come from."""
    return Contact.objects.active().filter(agency=agency)
