"""What the request page shows, gathered once; the template only lays it out (D14, X7)."""

from functools import cached_property
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from asd.models import Contact
from requests_app.customer_actions import withdrawal_asked
from requests_app.history import History, told
from requests_app.line import line_of
from requests_app.link_actions import links_of
from requests_app.models import CaseEntry, InboundMessage, Request, TriageDecision
from requests_app.states import FULFILLMENT, WAITS_FOR, S
from requests_app.triage import CHECKLIST, Recommendation, Scope, recommend, scope_of, standard_from
from requests_app.undeliverable import marks_of
from workflow import clock, together
from workflow.action_forms import ActionForm
from workflow.actors import as_actor
from workflow.models import Event, User
from workflow.registry import Offer, Section, offers, sections_of
from workflow.templatetags.remembered import mark_of
from workflow.written import Written

ENTRIES, CHANGES = 20, 25  # on a page of the conversation, of the history
FRESH = 300
TRIAGE_TABLE = (
    ("yes", "yes", "yes", "Assistance: CRM Pending Queue", (True, True, True)),
    ("no", "yes", "yes", "Enhancement: awaiting scheduling", (False, True, True)),
    ("any", "no", "any", "Discovery", (None, False, None)),
    ("any", "yes", "no", "Discovery (may only need onboarding)", (None, True, False)),
)


def page_of(user: User, reference: str) -> Request | None:
    """The request with what its page shows of it; None where it is not this person's to see."""
    own = ContentType.objects.get_for_model(Request).pk
    for row in _WHOLE.as_read(reference=reference.upper(), own=own):
        row.made.__dict__["_as_read"] = row.facts
        return row.made if Request.objects.shows(user, row.made) else None  # type: ignore[no-any-return]
    return None


def _whole(reference: str, own: int) -> Any:
    return (
        Request.objects.filter(reference=reference)
        .select_related(
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
        .annotate(entry_count=_count_of_entries(), event_count=_count_of_events(own))
    )


_WHOLE = Written(_whole, planned=True)


def _count_of_entries() -> Any:
    entries = CaseEntry.objects.filter(case__request=OuterRef("pk")).order_by()
    counted = entries.values("case").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def _count_of_events(own: int) -> Any:
    """Events are numbered from one, without a gap: the last number is their count."""
    events = Event.objects.filter(stream_type=own, stream_id=OuterRef("pk")).order_by("-number")
    return Coalesce(Subquery(events.values("number")[:1]), 0)


def page_context(
    req: Request,
    user: User,
    params: Any,
    bound: tuple[str, ActionForm] | None = None,
    refusal: str = "",
    kept: list[tuple[str, str]] | None = None,
    opened: tuple[str, dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Everything on the request page for one person.

    Folded forms are fetched when they are opened; `opened` is the one to show at once.
    `bound` is the form that came back with errors; `refusal` the sentence of the process;
    `kept` what was typed into a form that does not exist any more, so that it is not lost.
    """
    together.read(req)
    req.__dict__["_guard_answers"] = {}  # what is asked once counts for the whole page
    actor = as_actor(user)
    user = actor.person or user
    found = offers(req, actor)
    by_name = {offer.name: offer for offer in found}
    if bound and bound[0] in by_name:
        by_name[bound[0]].form = bound[1]
    scope = scope_of(req, req.service)
    represents = req.is_represented_by(user)
    files = _files(req)
    parts = sections_of(req, user)
    line, waiting, has_it = line_of(req), waits(req), holder(req)
    covered = (scope.in_force, scope.covered, scope.reason)
    shown = mark_of(req.__dict__.get("_as_read"), req.standing, covered, line, waiting, has_it)
    past = Past(req, params, shown)
    return {
        "req": req,
        "shown": shown,
        "past": past,
        "offers": Absent(by_name),
        **_next(found),
        "below": _below(found, parts),
        "forms_at": req.get_absolute_url(),
        "opened": opened,
        "acted": bound[0] if bound and _astray(bound[1]) else "",
        "refusal": refusal,
        "kept": kept or [],
        "scope": scope,
        "line": line,
        "waits": waiting,
        "holder": has_it,
        "represents": represents,
        "links": links_of(req) if represents else [],
        "withdrawal": withdrawal_asked(req),
        "ratings": list(req.ratings.all()),
        "questions": [q for q in req.questions.all() if q.closed_at is None]
        if req.is_on_hold
        else [],
        "entries": past.entries,
        "files": files,
        "loose_files": [f for f in files if f.entry_id is None],
        "watchers": req.watchers.all(),
        "undeliverable": marks_of(req),
        "related": related(req, user),
        "billing_cases": list(req.billing_cases.all()),
        "changes": past.changes,
        "unfolded": bool(params.get("changes")),
        "asked_by_mail": _asked_by_mail(req),
        "sections": parts,
        **_triage(req, by_name.get("triage"), scope),
    }


class Absent(dict[str, Any]):
    """What is not there is None: a page asks for dozens, and Django takes long to miss one."""

    def __missing__(self, name: str) -> None:
        return None


def history_context(req: Request, params: Any) -> dict[str, Any]:
    """A page of the history alone, for the request page that unfolds it (X7)."""
    past = Past(req, params, mark_of(req.__dict__.get("_as_read")))
    return {"req": req, "past": past, "changes": past.changes}


def print_context(req: Request, user: User) -> dict[str, Any]:
    """The whole case for paper: every update and every change, nothing to press."""
    together.read(req)
    entries = _entries(req.pk).order_by("at", "pk").prefetch_related("attachments")
    return {
        "req": req,
        "scope": scope_of(req, req.service),
        "line": line_of(req),
        "entries": entries,
        "files": _files(req),
        "watchers": req.watchers.all(),
        "related": related(req, user),
        "billing_cases": list(req.billing_cases.all()),
        "decision": req.triage,
        "changes": told(req.events.select_related("actor", "subject_type").order_by("number")),
        "printed_at": clock.now(),
    }


def _astray(form: ActionForm) -> bool:
    """Whether the form is of a row that is no choice any more: then no row can carry it."""
    return any(name in form.errors for name in form.row_fields())


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
    return [o for o in found if o.place in names and not o.blockers and not o.is_of_a_row]


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


def _files(req: Request) -> list[Any]:
    """The files of the case; withdrawn ones leave a trace."""
    return together.read_with(req, "files") or []


def _entries(request: int) -> Any:
    """The conversation, newest first."""
    entries = CaseEntry.objects.filter(case__request=request)
    return entries.select_related("message").order_by("-at", "-pk")


_LAST_SAID = Written(lambda request: _entries(request)[:ENTRIES], planned=True)


class Past:
    """The pages of the conversation and of the history that are asked for.

    They are drawn once for the same `mark`, and read only to be drawn: whatever happens to a
    request is an event, and `shown` counts them. What is not one, a person or a thing of old
    that is called otherwise now, is drawn anew after `FRESH` seconds.
    """

    def __init__(self, req: Request, params: Any, shown: str) -> None:
        self.req = req
        self.entries = _page(params.get("updates"), ENTRIES, req.entry_count)
        self.changes = _page(params.get("changes"), CHANGES, req.event_count)
        pages = (self.entries.number, self.changes.number)
        self.mark = (shown, pages, int(clock.now().timestamp()) // FRESH)

    @cached_property
    def said(self) -> list[Any]:
        """The updates with their files."""
        files = _files(self.req)
        if self.entries.number == 1:
            found = _LAST_SAID.instances(request=self.req.pk)
        else:
            found = list(_cut(_entries(self.req.pk), self.entries))
        for entry in found:
            entry.files = [file for file in files if file.entry_id == entry.pk]
        return found

    @cached_property
    def history(self) -> History:
        """The events, to be told in plain words; fetched when they are unfolded."""
        changes = self.req.events.select_related("actor").order_by("-number")
        return History(list(_cut(changes, self.changes)), known=_known(self.req))


def _known(req: Request) -> list[Any]:
    """What is read already and often named in the history."""
    people = (req.representative, req.specialist, req.taken_in_by, req.agency.representative)
    known = (*people, req.service, req.provider_group, req.contact, req.agency)
    return [one for one in known if one is not None]


def _asked_by_mail(req: Request) -> InboundMessage | None:
    """The message that the request was made of."""
    if req.channel != Request.Channel.EMAIL:
        return None
    return next(iter(together.read_with(req, "asked_by_mail") or []), None)


def _page(number: Any, size: int, count: int) -> Page:
    """A page of rows whose number is known already; the rows are read when they are drawn."""
    return Paginator(range(count), size).get_page(number)


def _cut(rows: Any, page: Page) -> Any:
    """The rows of a page."""
    first = (page.number - 1) * page.paginator.per_page
    return rows[first : first + page.paginator.per_page]


def related(req: Request, user: User) -> list[dict[str, Any]]:
    """Linked requests; of those this person may not see only the reference is said (TD03)."""
    links: list[Any] = together.read_with(req, "related") or []
    others = {link.pk: link.target if link.source_id == req.pk else link.source for link in links}
    asked = [other.pk for other in others.values() if other]
    seen = set(
        Request.objects.visible_to(user).filter(pk__in=asked).values_list("pk", flat=True)
        if asked
        else ()
    )
    return [
        {
            "link": link,
            "other": others[link.pk],
            "removable": link.is_removable_from(req),
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
    field: Any = form.fields["service"]
    return field.row_of(form["service"].value())


def contacts_of(agency: Any) -> Any:
    """The contacts that a request of this agency can come from."""
    return Contact.objects.active().filter(agency=agency)
