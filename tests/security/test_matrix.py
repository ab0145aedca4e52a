"""Every address of the program × every sort of person: what they get, and that looking is free.

A new URL name without a row here fails the test: say who may open it. (TD01, TD03, TE02)
"""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.security.world import TITLE, World, patterns

ROLES = ["anonymous", "rep", "rep2", "member", "stranger", "billing", "asd", "auditor", "nobody",
         "admin"]  # fmt: skip
SIGNED_IN = set(ROLES) - {"anonymous"}
SEE_THE_REQUEST = {"rep", "rep2", "member", "billing", "asd", "auditor", "admin"}
OPEN_THE_QUEUES = {"rep", "rep2", "member", "auditor", "admin"}
REPRESENT = {"rep", "rep2", "admin"}
KEEP_THE_AGENCY = {"rep", "asd", "admin"}

# Who gets the page; everybody else who is signed in gets the code beside it.
STAFF = (SIGNED_IN, 200)
POST_ONLY = (set(), 405)
REQUEST = (SEE_THE_REQUEST, 404)
QUEUE = (OPEN_THE_QUEUES, 404)
PUBLIC = (set(ROLES), 200)

AUDIENCE: dict[str, tuple[set[str], int]] = {
    "login": ({"anonymous"}, 302),
    "logout": POST_ONLY,
    "password_reset": PUBLIC,
    "password_reset_done": PUBLIC,
    "password_reset_confirm": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "metrics": PUBLIC,
    "requests_public": PUBLIC,
    "requests_public_agencies": PUBLIC,
    "requests_public_services": PUBLIC,
    "requests_public_sent": PUBLIC,
    "requests_public_confirm": (set(), 404),  # no cookie of a link
    "requests_public_link": (set(), 302),  # only moves what it says into a cookie
    "requests_lost": (set(), 404),  # the page for whoever has no link
    "requests_track": (set(), 302),  # no such token: to the page above
    "requests_track_then": (set(), 302),
    "requests_tracked": (set(), 404),  # no cookie, whoever they are
    "requests_tracked_action": (set(), 404),
    "requests_tracked_file": (set(), 404),
    "requests_rate": (set(), 404),
    "requests_rate_score": (set(), 404),
    "requests_unsubscribe": PUBLIC,  # says that there is nothing to stop
    "requests_customer_view": REQUEST,
    "home": STAFF,
    "workflow_account": STAFF,
    "workflow_password": STAFF,
    "workflow_token_create": POST_ONLY,
    "workflow_token_revoke": POST_ONLY,
    "workflow_leave_add": POST_ONLY,
    "workflow_leave_delete": POST_ONLY,
    "workflow_filter_save": POST_ONLY,
    "workflow_filter_delete": POST_ONLY,
    "requests_search": STAFF,
    "requests_handover": STAFF,
    "requests_reports": STAFF,
    "requests_report": STAFF,
    "requests_reports_count": POST_ONLY,
    "requests_list": STAFF,
    "requests_bulk": STAFF,
    "requests_lookup": STAFF,
    "requests_new": (REPRESENT, 403),
    "requests_new_contacts": (REPRESENT, 403),
    "requests_new_agencies": (REPRESENT, 403),
    "requests_page": REQUEST,
    "requests_action": POST_ONLY,
    "requests_triage": (SEE_THE_REQUEST, 404),
    "requests_file": REQUEST,
    "requests_mail": (REPRESENT | {"auditor"}, 403),
    "requests_mail_message": REQUEST,
    "requests_mail_raw": REQUEST,
    "requests_mail_action": POST_ONLY,
    "discovery_customer": (set(), 404),  # no cookie of a link
    "discovery_customer_pdf": (set(), 404),
    "discovery_list": STAFF,
    "discovery_proposals": STAFF,
    "discovery_proposal": REQUEST,
    "discovery_proposal_pdf": REQUEST,
    "discovery_parts": STAFF,
    "discovery_part_lines": STAFF,
    "discovery_published": STAFF,
    "fulfillment_queues": STAFF,
    "fulfillment_group": QUEUE,
    "fulfillment_pending": QUEUE,
    "fulfillment_take_next": POST_ONLY,
    "fulfillment_assign": POST_ONLY,
    "fulfillment_schedule": QUEUE,
    "fulfillment_pull_next": POST_ONLY,
    "fulfillment_worklist": QUEUE,
    "fulfillment_figures": QUEUE,
    "fulfillment_people": QUEUE,
    "fulfillment_hours": POST_ONLY,
    "fulfillment_leave": POST_ONLY,
    "fulfillment_leave_delete": POST_ONLY,
    "fulfillment_move": ({"admin"}, 404),
    "fulfillment_group_calendar": POST_ONLY,
    "fulfillment_own_calendar": POST_ONLY,
    "fulfillment_feed": (set(), 404),  # the address of nobody
    "fulfillment_replan": ({"admin"}, 404),
    "fulfillment_replan_ask": POST_ONLY,
    "fulfillment_replan_apply": POST_ONLY,
    "fulfillment_replan_discard": POST_ONLY,
    "billing_list": STAFF,
    "billing_export": STAFF,
    "billing_case": REQUEST,
    "billing_file": REQUEST,
    "asd_services": STAFF,
    "asd_service_new": ({"asd", "admin"}, 403),
    "asd_service": STAFF,
    "asd_service_edit": ({"asd", "admin"}, 403),
    "asd_step": POST_ONLY,
    "asd_updates": STAFF,
    "asd_agencies": STAFF,
    "asd_agency_new": (REPRESENT | {"asd"}, 403),
    "asd_agency": STAFF,
    "asd_agency_edit": (KEEP_THE_AGENCY, 403),
    "asd_history": STAFF,
    "asd_known": POST_ONLY,
    "asd_contact_new": (KEEP_THE_AGENCY, 403),
    "asd_contact": (KEEP_THE_AGENCY, 403),
    "asd_agreement_new": (KEEP_THE_AGENCY, 403),
    "asd_agreement": (KEEP_THE_AGENCY, 403),
    "api_request-list": STAFF,
    "api_request-detail": REQUEST,
    "api_request-act": POST_ONLY,
    "api_request-events": REQUEST,
    "api_case-list": STAFF,
    "api_case-detail": REQUEST,
    "api_proposal-list": STAFF,
    "api_proposal-detail": REQUEST,
    "api_billing_case-list": STAFF,
    "api_billing_case-detail": REQUEST,
    "api_service-list": STAFF,
    "api_service-detail": STAFF,
    "api_agency-list": STAFF,
    "api_agency-detail": STAFF,
    "api_queue_pending": QUEUE,
    "api_queue_schedule": QUEUE,
    "api_queue_worklist": QUEUE,
    "api_schema": STAFF,
}
NO_LOGIN = {"login", "logout", "password_reset", "password_reset_done", "password_reset_confirm",
            "healthz", "readyz", "metrics", "requests_public",
            "requests_public_agencies", "requests_public_services", "requests_public_sent",
            "requests_public_confirm", "requests_public_link",
            "discovery_customer", "discovery_customer_pdf",
            "requests_lost", "requests_track", "requests_track_then",
            "requests_tracked", "requests_tracked_action", "requests_tracked_file",
            "requests_rate", "requests_rate_score", "requests_unsubscribe",
            "fulfillment_feed"}  # fmt: skip
# Posted to by programs without a page before: who watches ends it (RFC 8058), calendars look.
THE_ADDRESS_IS_THE_KEY = {"requests_unsubscribe", "fulfillment_feed"}
# Sessions, and when a queue was last looked at (F3), are records of access.
ACCESS_RECORDS = {"workflow_browsersession", "fulfillment_queuecheck", "workflow_userevent"}


def expected(name: str, role: str) -> int:
    """What a GET of this address answers this role."""
    may, otherwise = AUDIENCE[name]
    if role == "anonymous" and name not in NO_LOGIN:
        return 401 if name.startswith("api_") else 302
    if name == "requests_triage" and role in may:
        return 204  # ours is past triage: nothing to preview
    return 200 if role in may else otherwise


def everything() -> dict[str, str]:
    """A fingerprint of every table, but for records of access and of signing in."""
    with connection.cursor() as cursor:
        tables = [t for t in connection.introspection.table_names(cursor)
                  if t not in ACCESS_RECORDS]  # fmt: skip
        prints = {}
        for table in tables:
            row = "t::text"
            if table == "workflow_user":
                row = "(to_jsonb(t) - 'last_login')::text"
            cursor.execute(
                f"SELECT md5(coalesce(string_agg({row}, '|' ORDER BY {row}), '')) FROM {table} t"  # noqa: S608
            )
            prints[table] = cursor.fetchone()[0]
        return prints


def browser(person: Any, **options: Any) -> Client:
    made = Client(raise_request_exception=False, **options)
    if person is not None:
        made.force_login(person)
    return made


@pytest.fixture
def world(db: None) -> World:
    return World()


def test_every_address_says_who_may_open_it() -> None:
    assert set(patterns()) == set(AUDIENCE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_everybody_gets_what_is_theirs_and_looking_changes_nothing(role: str, world: World) -> None:
    """TD01, TE02: the code of every address, and not a row different afterwards."""
    client = browser(world.people[role])
    before = everything()
    wrong, seen = [], []
    for name, pattern in patterns().items():
        address = world.address(pattern)
        answer = client.get(address)
        if answer.status_code != expected(name, role):
            wrong.append(f"{name} {address}: {answer.status_code}, not {expected(name, role)}")
        body = b"" if answer.streaming else answer.content
        if world.ours.request.reference.encode() in body or TITLE.encode() in body:
            seen.append(name)
    assert not wrong
    after = everything()
    assert {t for t in before if before[t] != after[t]} == set()
    if role in ("anonymous", "stranger", "nobody"):
        assert seen == [], f"{role} reads of a request that is not theirs"
    else:
        assert {"requests_page", "api_request-list"} <= set(seen)


@pytest.mark.parametrize("role", ["stranger", "nobody"])
def test_no_second_path_leads_to_what_one_may_not_see(role: str, world: World) -> None:
    """TD03, C10: search, exports and filters start from the same rows as the page."""
    client = browser(world.people[role])
    request = world.ours.request
    for address in [
        f"/search/?q={request.reference}",
        "/search/?q=Orange",
        "/requests/?scope=all&status=any&export=csv",
        "/requests/?scope=all&status=any&q=Orange",
        "/proposals/?export=csv",
        "/billing/?export=csv",
        "/billing/export/?export=csv",
        "/discovery/?export=csv",
        "/parts/lines/?export=csv",
        "/asd/updates/?export=csv",
        "/api/v1/requests/?q=Orange",
        f"/api/v1/cases/?request={request.reference}",
        f"/api/v1/proposals/?request={request.reference}",
        f"/api/v1/billing-cases/?request={request.reference}",
        f"/asd/agencies/{world.office.agency.code}/",
        f"/asd/services/{world.office.service.slug}/",
    ]:
        answer = client.get(address, follow=False)
        assert answer.status_code in (200, 302, 404), address
        assert f"/requests/{request.reference}/" not in answer.get("Location", ""), address
        body = b"".join(answer) if answer.streaming else answer.content
        assert TITLE.encode() not in body, address


def test_every_post_without_a_csrf_token_is_refused(world: World) -> None:
    """TE02: whatever the address, before anything else is looked at."""
    client = browser(world.office.rep, enforce_csrf_checks=True)
    before = everything()
    for name, pattern in patterns().items():
        answer = client.post(world.address(pattern), {"reason": "From elsewhere."})
        if name in THE_ADDRESS_IS_THE_KEY:
            continue
        assert answer.status_code == 403, f"{name}: {answer.status_code}"
    assert everything() == before


@pytest.mark.parametrize("role", ["anonymous", "stranger", "nobody", "auditor"])
def test_who_may_not_changes_nothing_by_posting_either(role: str, world: World) -> None:
    """TD01: every address posted to by people without a right to it; their own account apart."""
    client = browser(world.people[role])
    own = {"login", "logout", "password_reset", "password_reset_confirm", "workflow_account",
           "workflow_password", "workflow_token_create", "workflow_filter_save",
           "requests_handover", "fulfillment_group_calendar",
           "fulfillment_own_calendar"}  # fmt: skip
    facts = {"reason": "Because.", "text": "Words.", "title": "Other words", "public": "yes",
             "description": "x", "name": "x", "rows": "1", "page": "requests"}  # fmt: skip
    before = everything()
    for name, pattern in patterns().items():
        if name not in own:
            answer = client.post(world.address(pattern), facts)
            assert answer.status_code < 500, f"{name}: {answer.status_code}"
    assert everything() == before


def test_rows_of_others_in_ones_own_path_are_404(world: World) -> None:
    """TD03: ours in the first part of the path, theirs in the second."""
    ours, theirs = world.ours, world.theirs
    office, other = world.office, world.theirs.office
    client = browser(office.rep)
    for address in [
        f"/requests/{ours.request.reference}/files/{theirs.attachment.pk}/",
        f"/asd/agencies/{office.agency.code}/contacts/{other.contact.pk}/",
        f"/asd/agencies/{office.agency.code}/agreements/{other.agreement.pk}/",
        "/requests/REQ-2000-999999/",
        "/proposals/PRO-2000-999999/",
        "/billing/BIL-2000-999999/",
        "/queues/no-such-group/pending/",
        "/asd/agencies/nobody/",
        "/asd/services/nothing/",
        "/requests/" + ours.request.reference + "/files/99999999999999999999/",
    ]:
        assert client.get(address).status_code == 404, address
    assert client.get("/requests/%00/").status_code in (400, 404)
    member = browser(world.people["stranger"])
    for address in [
        f"/account/tokens/{world.token.pk}/revoke/",
        f"/filters/{world.filter.pk}/delete/",
        f"/requests/{ours.request.reference}/actions/comment/",
    ]:
        assert member.post(address, {"text": "x"}).status_code == 404, address
