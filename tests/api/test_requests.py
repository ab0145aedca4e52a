"""Requests through the API: list, read, take in, act; the same rights and the same words."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from asd.models import Agency, Contact
from notifications.models import Notice
from requests_app.models import Request
from tests.factories import ContactFactory, Office, UserFactory
from tests.walk import STANDARD_YES, to_awaiting, to_pending, to_planning
from workflow import clock
from workflow.models import ApiCall, Event
from workflow.tasks import purge_calls

Api = Callable[[Any], APIClient]
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


def words(office: Office, **more: Any) -> dict[str, Any]:
    return {
        "title": "A line for the front desk",
        "description": "One line, one handset.",
        "agency": office.agency.code,
        "contact": office.contact.pk,
        "service": office.service.slug,
        **more,
    }


# Reading


def test_a_list_shows_what_one_may_see_and_nothing_else(api: Api, office: Office) -> None:
    """C9: a member sees the own group's work, a stranger none of it."""
    request = to_pending(office)
    seen = {
        name: api(person).get("/api/v1/requests/").json()["count"]
        for name, person in [
            ("rep", office.rep),
            ("specialist", office.specialist),
            ("stranger", office.stranger),
            ("auditor", office.auditor),
            ("asd", office.asd),
        ]
    }
    assert seen == {"rep": 1, "specialist": 1, "stranger": 0, "auditor": 1, "asd": 0}
    assert api(office.stranger).get(f"/api/v1/requests/{request.reference}/").status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("state=triage", 1),
        ("state=triage&state=pending", 2),
        ("kind=enhancement", 1),
        ("status=closed", 0),
        ("status=open", 3),
        ("q=front", 3),
        ("q=nowhere", 0),
        ("attention=overdue", 0),
        ("sort=reference", 3),
        ("page_size=2", 3),
        ("unknown=1", 3),
        ("_connector=OR&o=password&ordering=user__password", 3),
    ],
)
def test_a_list_is_filtered(query: str, count: int, api: Api, office: Office) -> None:
    """TC14: only what is listed reaches the database."""
    office.request()
    to_pending(office)
    to_awaiting(office)
    answer = api(office.rep).get(f"/api/v1/requests/?{query}")
    assert answer.status_code == 200
    assert answer.json()["count"] == count


def test_filters_take_codes_and_slugs(api: Api, office: Office) -> None:
    to_pending(office)
    for query in [
        f"agency={office.agency.code}",
        f"service={office.service.slug}",
        f"group={office.group.slug}",
        f"representative={office.rep.username}",
    ]:
        assert api(office.rep).get(f"/api/v1/requests/?{query}").json()["count"] == 1, query


@pytest.mark.parametrize(
    "query",
    ["state=nonsense", "agency=nobody", "group=99999999999999999999", "created_from=never",
     "q=%00", "agency=%00", "priority=0", "sort=user__password"],
)  # fmt: skip
def test_a_wrong_filter_is_named(query: str, api: Api, office: Office) -> None:
    """TC02 and TC14: a sentence, never a crash."""
    answer = api(office.rep).get(f"/api/v1/requests/?{query}")
    assert answer.status_code == 400
    assert answer.json()


@pytest.mark.parametrize("page", ["0", "-1", "99", "x", "99999999999999999999"])
def test_a_page_that_is_not_there_is_404(page: str, api: Api, office: Office) -> None:
    assert api(office.rep).get(f"/api/v1/requests/?page={page}").status_code == 404


def test_the_number_of_queries_of_a_list_is_constant(
    api: Api, office: Office, django_assert_num_queries: Any
) -> None:
    client = api(office.rep)
    office.request()
    client.get("/api/v1/requests/")
    with django_assert_num_queries(3):  # token, count, page
        client.get("/api/v1/requests/?page_size=100")
    for _ in range(12):
        office.request(contact=ContactFactory(agency=office.agency))
    to_pending(office)
    with django_assert_num_queries(3):
        assert len(client.get("/api/v1/requests/?page_size=100").json()["results"]) == 14


def test_a_request_says_where_it_is_and_what_can_be_done(api: Api, office: Office) -> None:
    """D14, F16."""
    request = office.request()
    shown = api(office.rep).get(f"/api/v1/requests/{request.reference}/").json()
    assert (shown["state"], shown["kind"], shown["lane"]) == ("triage", "", "intake")
    assert shown["facts"] == {"current_customer": True, "existing_service": True}
    assert shown["case"] == request.case.reference
    actions = {a["name"]: a for a in shown["available_actions"]}
    assert {"triage", "send_to_discovery", "hold", "cancel", "comment"} <= set(actions)
    fields = {f["name"]: f for f in actions["triage"]["fields"]}
    assert fields["service"]["type"] == "choice"
    assert str(office.service.pk) in {c["value"] for c in fields["service"]["choices"]}
    reason = {f["name"]: f for f in actions["cancel"]["fields"]}["reason"]
    assert (reason["type"], reason["required"]) == ("text", True)
    assert actions["comment"]["blockers"] == []


def test_a_blocked_action_carries_its_sentence(api: Api, office: Office) -> None:
    """F6: no work without a plan, and the answer says so before anybody tries."""
    request = to_planning(office)
    shown = api(office.specialist).get(f"/api/v1/requests/{request.reference}/").json()
    actions = {a["name"]: a for a in shown["available_actions"]}
    assert actions["start_work"]["blockers"] == [
        "Draw up the work plan first: at least one item, and every item estimated."
    ]


def test_an_auditor_is_offered_nothing(api: Api, office: Office) -> None:
    request = office.request()
    shown = api(office.auditor).get(f"/api/v1/requests/{request.reference}/").json()
    assert shown["available_actions"] == []


def test_events_tell_who_when_what_from_to_why(api: Api, office: Office) -> None:
    """X7."""
    request = to_pending(office)
    client = api(office.rep)
    told = client.get(f"/api/v1/requests/{request.reference}/events/").json()["results"]
    assert [e["number"] for e in told] == list(range(1, len(told) + 1))
    moved = next(e for e in told if e["name"] == "queue_assistance")
    assert (moved["source"], moved["target"]) == ("triage", "pending")
    assert moved["actor"] == str(office.rep)
    stranger = api(office.stranger)
    assert stranger.get(f"/api/v1/requests/{request.reference}/events/").status_code == 404


# Taking in


def test_a_representative_takes_in_a_request(api: Api, office: Office) -> None:
    """X10: with its case, its first event, and the customer told."""
    answer = api(office.rep).post("/api/v1/requests/", words(office))
    assert answer.status_code == 201, answer.json()
    made = Request.objects.get(reference=answer.json()["reference"])
    assert (made.state, made.channel, made.taken_in_by) == ("triage", "api", office.rep)
    assert (made.agency, made.contact, made.service) == (
        office.agency,
        office.contact,
        office.service,
    )
    assert made.events.get().name == "take_in"
    assert Notice.objects.get(event__stream_id=made.pk).address == office.contact.email


def test_agency_by_id_and_contact_in_place(api: Api, office: Office) -> None:
    given = words(office, agency=office.agency.pk)
    given["contact"] = {"name": "New Person", "email": "new.person@agency.example"}
    answer = api(office.rep).post("/api/v1/requests/", given)
    assert answer.status_code == 201, answer.json()
    assert Contact.objects.get(email="new.person@agency.example").agency == office.agency
    again = api(office.rep).post("/api/v1/requests/", given)
    assert again.status_code == 201
    assert Contact.objects.filter(email="new.person@agency.example").count() == 1


@pytest.mark.parametrize("who", ["specialist", "lead", "billing", "asd", "auditor", "stranger"])
def test_others_do_not_take_in_requests(who: str, api: Api, office: Office) -> None:
    answer = api(getattr(office, who)).post("/api/v1/requests/", words(office))
    assert answer.status_code == 403
    assert not Request.objects.exists()


def test_an_auditor_who_is_also_a_representative_changes_nothing(api: Api, office: Office) -> None:
    both = UserFactory(rep=True, auditor=True)
    assert api(both).post("/api/v1/requests/", words(office)).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "   "),
        ("title", "x" * 161),
        ("title", None),
        ("title", ["a", "b"]),
        ("title", "nul \x00 byte"),
        ("description", ""),
        ("description", "x" * 20_001),
        ("agency", "nobody"),
        ("agency", "99999999999999999999999"),
        ("agency", None),
        ("contact", 0),
        ("contact", 99999999999999999999),
        ("contact", "x"),
        ("contact", {}),
        ("contact", {"name": "Only a name"}),
        ("contact", {"name": "N", "email": "not an address"}),
        ("service", "no-such-service"),
        ("needed_by", "2001-01-01"),
        ("needed_by", "soon"),
        ("impact", 9),
        ("urgency", "very"),
        ("submission_key", "not-a-key"),
    ],
)
def test_wrong_facts_are_named_by_field(field: str, value: Any, api: Api, office: Office) -> None:
    answer = api(office.rep).post("/api/v1/requests/", words(office, **{field: value}))
    assert answer.status_code == 400
    said = answer.json()
    assert field in said or "\x00" in str(value), said
    assert not Request.objects.exists()


def test_a_contact_of_another_agency_is_not_a_choice(api: Api, office: Office) -> None:
    """TD03."""
    other = ContactFactory()
    answer = api(office.rep).post("/api/v1/requests/", words(office, contact=other.pk))
    assert answer.status_code == 400
    assert "contact" in answer.json()


def test_what_is_not_asked_is_not_set(api: Api, office: Office) -> None:
    """TD07: mass assignment changes nothing."""
    sneaky = {"state": "closed", "reference": "REQ-2000-1", "taken_in_by": 1, "id": 1,
              "priority": 1, "created_at": "2001-01-01", "channel": "web"}  # fmt: skip
    answer = api(office.rep).post("/api/v1/requests/", words(office, **sneaky)).json()
    made = Request.objects.get()
    assert (made.state, made.priority, made.channel) == ("triage", 3, "api")
    assert answer["reference"].startswith(f"REQ-{clock.today():%Y}")


def test_the_same_submission_key_is_one_request(api: Api, office: Office) -> None:
    """TA03."""
    given = words(office, submission_key=str(uuid.uuid4()))
    one = api(office.rep).post("/api/v1/requests/", given).json()
    two = api(office.rep).post("/api/v1/requests/", given).json()
    assert one["reference"] == two["reference"]
    assert Request.objects.count() == 1


def test_broken_json_is_400(api: Api, office: Office) -> None:
    client = api(office.rep)
    for body in ["{", "[]", '"x"', "null", "\x00"]:
        answer = client.post("/api/v1/requests/", body, content_type="application/json")
        assert answer.status_code == 400, body


# Acting


def act(client: APIClient, request: Request, name: str, **facts: Any) -> Any:
    return client.post(f"/api/v1/requests/{request.reference}/actions/{name}/", facts)


def test_an_action_answers_the_request_as_it_is_now(api: Api, office: Office) -> None:
    request = office.request()
    answer = act(
        api(office.rep), request, "triage", service=office.service.pk, service_known="yes",
        **STANDARD_YES,
    )  # fmt: skip
    assert answer.status_code == 200, answer.json()
    shown = answer.json()
    assert (shown["state"], shown["kind"]) == ("pending", "assistance")
    assert shown["result"]["reference"] == request.reference


def test_json_speaks_true_false_and_null(api: Api, office: Office) -> None:
    request = office.request()
    answers = dict.fromkeys(STANDARD_YES, True)
    answer = act(
        api(office.rep), request, "triage", service=office.service.pk, service_known=True,
        decision=None, **{**answers, "solution": False},
    )  # fmt: skip
    assert answer.json()["state"] == "awaiting_scheduling"


def test_an_action_that_makes_something_names_it(api: Api, office: Office) -> None:
    request = office.request()
    client = api(office.rep)
    entry = act(client, request, "comment", text="Called back.").json()["result"]
    assert entry["model"] == "requests_app.caseentry"
    part = act(client, request, "split", title="Another part", description="Of it.").json()
    assert Request.objects.get(reference=part["result"]["reference"]).title == "Another part"


def test_files_come_as_a_form(api: Api, office: Office) -> None:
    request = office.request()
    answer = api(office.rep).post(
        f"/api/v1/requests/{request.reference}/actions/upload_file/",
        {"files": [SimpleUploadedFile("order.pdf", PDF), SimpleUploadedFile("b.txt", b"text")]},
        format="multipart",
    )
    assert answer.status_code == 200, answer.json()
    assert set(request.case.attachments.values_list("name", flat=True)) == {"order.pdf", "b.txt"}
    case = api(office.rep).get(f"/api/v1/cases/{request.case.reference}/").json()
    assert {a["name"] for a in case["attachments"]} == {"order.pdf", "b.txt"}


def test_a_watcher_is_told_until_they_are_taken_off(api: Api, office: Office) -> None:
    """X9: who watches hears what the customer hears, once each."""
    request = office.request()
    client = api(office.rep)
    watcher = ContactFactory(agency=office.agency)
    act(client, request, "add_watcher", contact=watcher.pk)
    act(client, request, "comment", text="The line is ordered.", public="yes")
    told = Notice.objects.filter(template="comment", event__stream_id=request.pk)
    assert set(told.values_list("address", flat=True)) == {office.contact.email, watcher.email}
    assert told.count() == 2
    row = request.watchers.get()
    act(client, request, "remove_watcher", watcher=row.pk)
    act(client, request, "comment", text="It has come.", public="yes")
    assert told.filter(address=watcher.email).count() == 1
    act(client, request, "comment", text="Between ourselves.")
    assert told.filter(address=office.contact.email).count() == 2


def test_a_refusal_is_409_with_the_sentence_of_the_process(api: Api, office: Office) -> None:
    request = office.request()
    answer = act(api(office.rep), request, "queue_assistance")
    assert answer.status_code == 409
    assert answer.json()["code"] == "refused"
    assert "Triage must decide" in answer.json()["detail"]


def test_a_step_that_is_not_there_now_is_409(api: Api, office: Office) -> None:
    answer = act(api(office.rep), office.request(), "notify_and_close", message="Done.")
    assert answer.status_code == 409
    assert answer.json()["code"] == "wrong_state"


def test_what_one_saw_may_have_changed(api: Api, office: Office) -> None:
    """TA10: the state that the caller expects is compared under the lock."""
    request = to_pending(office)
    answer = act(api(office.rep), request, "hold", expect="triage", reason="x")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


def test_who_may_not_gets_403_and_learns_nothing(api: Api, office: Office) -> None:
    request = to_pending(office)
    answer = act(api(office.specialist), request, "cancel", reason="No.")
    assert answer.status_code == 403
    assert "reason" not in answer.json()
    request.refresh_from_db()
    assert request.state == "pending"


def test_an_auditor_changes_nothing(api: Api, office: Office) -> None:
    request = office.request()
    assert act(api(office.auditor), request, "comment", text="Hm.").status_code == 403


def test_who_does_not_see_it_gets_404(api: Api, office: Office) -> None:
    request = to_pending(office)
    assert act(api(office.stranger), request, "comment", text="Hm.").status_code == 404


@pytest.mark.parametrize("name", ["nonsense", "save", "delete", "refresh_from_db", "_route"])
def test_an_action_that_does_not_exist_is_404(name: str, api: Api, office: Office) -> None:
    """Names are looked up in the registry, never on the object."""
    assert act(api(office.rep), office.request(), name).status_code == 404


def test_wrong_facts_of_an_action_are_named_by_field(api: Api, office: Office) -> None:
    request = office.request()
    client = api(office.rep)
    before = Event.objects.count()
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("cancel", {}, "reason"),
        ("cancel", {"reason": "   "}, "reason"),
        ("cancel", {"reason": ["a"]}, "reason"),
        ("cancel", {"reason": {"a": 1}}, "reason"),
        ("cancel", {"reason": "x" * 2001}, "reason"),
        ("hold", {"reason": "x", "review_on": "2001-01-01", "waiting_for": "other"}, "review_on"),
        ("hold", {"reason": "x", "review_on": "soon", "waiting_for": "other"}, "review_on"),
        ("hold", {"reason": "x", "review_on": "2099-01-01", "waiting_for": "x"}, "waiting_for"),
        ("change_priority", {"impact": 7, "urgency": 1}, "impact"),
        ("reassign_representative", {"representative": office.specialist.pk}, "representative"),
        ("reassign_representative", {"representative": 99999999999999999999}, "representative"),
        ("add_watcher", {}, "non_field_errors"),
        ("link", {"relation": "related", "other": request.reference}, "other"),
    ]
    for name, facts, field in cases:
        answer = act(client, request, name, **facts)
        assert answer.status_code == 400, (name, facts, answer.json())
        assert field in answer.json(), (name, facts, answer.json())
    assert Event.objects.count() == before


def test_nul_bytes_are_400_everywhere(api: Api, office: Office) -> None:
    """TC02."""
    request = office.request()
    client = api(office.rep)
    assert act(client, request, "comment", text="a\x00b").status_code == 400
    assert act(client, request, "comment", **{"text": "x", "a\x00": "b"}).status_code == 400
    assert client.get("/api/v1/requests/%00/").status_code == 404
    assert client.get(f"/api/v1/requests/{request.reference}/?x=%00").status_code == 400
    assert client.get("/api/v1/agencies/%00/").status_code in (400, 404)
    answer = client.post(
        f"/api/v1/requests/{request.reference}/actions/upload_file/",
        {"files": [SimpleUploadedFile("a\x00b.txt", b"text")]},
        format="multipart",
    )
    assert answer.status_code in (200, 400)


def test_passing_it_on_answers_what_one_may_still_know(api: Api, office: Office) -> None:
    """X5: after a transfer the member no longer sees it."""
    request = to_pending(office)
    answer = act(
        api(office.specialist), request, "transfer", provider_group=office.other_group.pk,
        reason="It is theirs.",
    )  # fmt: skip
    assert answer.status_code == 200
    assert set(answer.json()) == {"reference", "state", "available_actions", "result"}


# Once only


def test_the_same_key_is_done_once_and_answered_twice(api: Api, office: Office) -> None:
    client = api(office.rep)
    first = client.post("/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k-1")
    second = client.post("/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotent-Replay"] == "true"
    assert Request.objects.count() == 1
    assert Notice.objects.count() == 1


def test_the_same_key_for_something_else_is_422(api: Api, office: Office) -> None:
    client = api(office.rep)
    client.post("/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k-1")
    other = client.post("/api/v1/requests/", words(office, title="B"), HTTP_IDEMPOTENCY_KEY="k-1")
    assert other.status_code == 422
    assert other.json()["code"] == "key_reused"
    request = Request.objects.get()
    path = f"/api/v1/requests/{request.reference}/actions/comment/"
    assert client.post(path, {"text": "x"}, HTTP_IDEMPOTENCY_KEY="k-1").status_code == 422


def test_a_key_is_forgotten_after_a_week(api: Api, office: Office) -> None:
    client = api(office.rep)
    client.post("/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k-1")
    assert purge_calls() == 0
    with clock.acting_at(clock.now() + timedelta(days=7, minutes=1)):
        assert purge_calls() == 1
    assert not ApiCall.objects.exists()


def test_keys_are_each_persons_own(api: Api, office: Office) -> None:
    for person in (office.rep, office.rep2):
        answer = api(person).post("/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k-1")
        assert answer.status_code == 201
    assert Request.objects.count() == 2


def test_what_was_refused_may_be_tried_again_with_the_same_key(api: Api, office: Office) -> None:
    client = api(office.rep)
    bad = client.post("/api/v1/requests/", words(office, title=""), HTTP_IDEMPOTENCY_KEY="k-2")
    assert bad.status_code == 400
    assert not ApiCall.objects.exists()
    good = client.post("/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k-2")
    assert good.status_code == 201


def test_an_action_with_a_file_is_done_once(api: Api, office: Office) -> None:
    request = office.request()
    client = api(office.rep)
    path = f"/api/v1/requests/{request.reference}/actions/upload_file/"

    def send(content: bytes) -> Any:
        return client.post(
            path,
            {"files": SimpleUploadedFile("a.txt", content)},
            format="multipart",
            HTTP_IDEMPOTENCY_KEY="k-3",
        )

    assert (send(b"one").status_code, send(b"one").status_code) == (200, 200)
    assert send(b"two").status_code == 422
    assert request.case.attachments.count() == 1


def test_a_key_that_is_too_long_is_named(api: Api, office: Office) -> None:
    answer = api(office.rep).post(
        "/api/v1/requests/", words(office), HTTP_IDEMPOTENCY_KEY="k" * 121
    )
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()


def test_every_post_of_the_api_honours_the_key() -> None:
    """A new POST without it fails here."""
    from config.api import router, urlpatterns
    from requests_app.api import RequestViewSet

    posts = set()
    for pattern in urlpatterns:
        view = pattern.callback
        actions = getattr(view, "actions", None) or {}
        if "post" in actions:
            posts.add((view.cls, actions["post"]))
        elif not actions and hasattr(getattr(view, "cls", None), "post"):
            posts.add((view.cls, "post"))
    assert posts == {(RequestViewSet, "create"), (RequestViewSet, "act")}
    assert all(getattr(getattr(cls, name), "honours_idempotency_key", False) for cls, name in posts)
    assert router.urls


def test_an_old_day_in_the_list_of_dates_is_inclusive(api: Api, office: Office) -> None:
    office.request()
    today = clock.today()
    client = api(office.rep)
    assert client.get(f"/api/v1/requests/?created_from={today}").json()["count"] == 1
    later = today + timedelta(days=2)
    assert client.get(f"/api/v1/requests/?created_from={later}").json()["count"] == 0
    assert Agency.objects.count() == 1
