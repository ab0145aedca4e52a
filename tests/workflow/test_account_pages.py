"""Signing in and out, a forgotten password, and the person's own account."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client

from tests.factories import MembershipFactory, Office, UserFactory
from tests.walk import do, to_assigned, to_planning
from workflow import clock
from workflow.models import ApiToken, SavedFilter

PASSWORD = "throughline-test"
EVIL = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/",
    "https:evil.example",
    "https:///evil.example",
    "http:\\\\evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
    "\x01//evil.example",
    "/%0d%0aLocation: https://evil.example",
    "/\r\nLocation: https://evil.example",
    "///evil.example",
    "//evil.example\\@testserver",
    "https://testserver@evil.example",
    "https://testserver.evil.example",
]


@pytest.fixture
def memory_mail(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


# Signing in and out


def test_a_person_signs_in_and_out(db, client):
    user = UserFactory()
    page = client.get("/login/")
    assert page.status_code == 200
    assert "Sign in" in page.content.decode()
    answer = client.post("/login/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_signing_out_is_no_link(db):
    client = signed_in(UserFactory())
    assert client.get("/logout/").status_code == 405
    assert client.get("/account/").status_code == 200


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(db, client):
    user = UserFactory()
    wrong = client.post("/login/", {"username": user.username, "password": "no"}).content.decode()
    unknown = client.post("/login/", {"username": "nobody", "password": "no"}).content.decode()

    def said(html: str) -> list[str]:
        return re.findall(r'role="alert">([^<]*)<', html)

    assert said(wrong) == said(unknown) != []


def test_an_inactive_person_cannot_sign_in(db, client):
    user = UserFactory(is_active=False)
    client.post("/login/", {"username": user.username, "password": PASSWORD})
    assert client.get("/").status_code == 302


def test_the_session_changes_with_signing_in_and_ends_with_signing_out(db, client):
    """TE03."""
    user = UserFactory()
    client.get("/login/")
    client.post("/login/", {"username": user.username, "password": PASSWORD})
    old = client.cookies["sessionid"].value
    client.post("/logout/")
    thief = Client()
    thief.cookies["sessionid"] = old
    assert thief.get("/account/").status_code == 302


@pytest.mark.parametrize("target", EVIL)
def test_signing_in_never_leads_to_another_site(db, client, target):
    """TE05."""
    user = UserFactory()
    data = {"username": user.username, "password": PASSWORD, "next": target}
    answer = client.post("/login/", data)
    assert answer.status_code == 302
    location = answer["Location"]
    assert "\r" not in location
    assert "\n" not in location
    assert location == "/" or location.startswith(("/%", "/\t%"))


def test_signing_in_leads_to_the_page_that_was_asked_for(db, client):
    user = UserFactory()
    asked = client.get("/account/")
    assert asked["Location"] == "/login/?next=/account/"
    data = {"username": user.username, "password": PASSWORD, "next": "/account/"}
    assert client.post("/login/", data)["Location"] == "/account/"


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "x" * 10_000])
def test_strange_names_are_refused_beside_the_field_or_on_top(db, client, text):
    """TC02."""
    answer = client.post("/login/", {"username": text, "password": "no"})
    assert answer.status_code == 200
    assert "sessionid" not in client.cookies


def test_pages_of_a_person_are_not_kept_in_caches(db):
    """TE01."""
    assert "no-store" in signed_in(UserFactory()).get("/account/")["Cache-Control"]


# A forgotten password


def test_a_known_and_an_unknown_address_get_the_same_answer(db, client, memory_mail):
    UserFactory(email="known@staff.example")
    known = client.post("/password-reset/", {"email": "known@staff.example"}, follow=True)
    unknown = client.post("/password-reset/", {"email": "unknown@staff.example"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert known.content == unknown.content
    assert [m.to for m in mail.outbox] == [["known@staff.example"]]


def test_the_link_of_the_mail_names_the_configured_address(db, client, memory_mail, settings):
    """TE06."""
    settings.ALLOWED_HOSTS = ["*"]
    UserFactory(email="known@staff.example")
    client.post(
        "/password-reset/",
        {"email": "known@staff.example"},
        headers={"host": "evil.example", "x-forwarded-host": "evil.example"},
    )
    body = mail.outbox[0].body
    assert settings.BASE_URL in body
    assert "evil.example" not in body


def test_the_link_sets_a_new_password_once(db, client, memory_mail):
    user = UserFactory(email="known@staff.example")
    client.post("/password-reset/", {"email": user.email})
    link = re.search(r"/password-reset/\S+/\S+/", mail.outbox[0].body)[0]
    form = client.get(link, follow=True)
    assert "New password" in form.content.decode()
    new = {"new_password1": "a-quiet-harbour-7", "new_password2": "a-quiet-harbour-7"}
    assert client.post(form.redirect_chain[-1][0], new)["Location"] == "/login/"
    user.refresh_from_db()
    assert user.check_password("a-quiet-harbour-7")
    again = Client().get(link, follow=True).content.decode()
    assert "does not work any more" in again


def test_a_mail_server_that_is_down_changes_no_answer(db, client, settings):
    """The answer must not tell who has an account."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    UserFactory(email="known@staff.example")
    answer = client.post("/password-reset/", {"email": "known@staff.example"})
    assert answer.status_code == 302


# The account page

ACCOUNT = {"first_name": "Ada", "last_name": "Example", "email": "ada@staff.example",
           "language": "en", "deputy": "", "away_from": "", "away_until": ""}  # fmt: skip


def test_a_person_changes_name_language_and_absence(db):
    """X5: a deputy stands in while out of office."""
    user, deputy = UserFactory(rep=True), UserFactory(rep=True)
    today = clock.today()
    data = ACCOUNT | {
        "deputy": deputy.pk,
        "language": "es",
        "away_from": today.isoformat(),
        "away_until": (today + timedelta(days=5)).isoformat(),
    }
    answer = signed_in(user).post("/account/", data)
    assert answer.status_code == 302
    assert answer.cookies["django_language"].value == "es"
    user.refresh_from_db()
    assert str(user) == "Ada Example"
    assert user.deputy == deputy
    assert user.is_away


def test_an_absence_that_ends_before_it_starts_is_refused(db):
    user = UserFactory()
    today = clock.today()
    data = ACCOUNT | {
        "away_from": (today + timedelta(days=5)).isoformat(),
        "away_until": today.isoformat(),
    }
    answer = signed_in(user).post("/account/", data)
    assert answer.status_code == 422
    assert "The end must not be before the start." in answer.content.decode()
    user.refresh_from_db()
    assert user.first_name != "Ada"


def test_rights_are_not_to_be_had_from_the_account_page(db):
    """TD07."""
    user = UserFactory()
    extra = {"is_superuser": "on", "is_staff": "on", "is_representative": "on", "username": "root"}
    signed_in(user).post("/account/", ACCOUNT | extra)
    name = user.username
    user.refresh_from_db()
    assert (user.is_superuser, user.is_staff, user.is_representative) == (False, False, False)
    assert user.username == name


def test_a_representatives_deputy_is_a_representative(db):
    user, other = UserFactory(rep=True), UserFactory()
    answer = signed_in(user).post("/account/", ACCOUNT | {"deputy": other.pk})
    assert answer.status_code == 422


def test_changing_the_password_keeps_this_session_and_ends_the_others(db):
    """TE03."""
    user = UserFactory()
    here, there = signed_in(user), signed_in(user)
    data = {"old_password": PASSWORD, "new_password1": "a-quiet-harbour-7",
            "new_password2": "a-quiet-harbour-7"}  # fmt: skip
    assert here.post("/account/password/", data).status_code == 302
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302


def test_a_wrong_old_password_is_said_beside_its_field(db):
    data = {"old_password": "no", "new_password1": "a-quiet-harbour-7",
            "new_password2": "a-quiet-harbour-7"}  # fmt: skip
    answer = signed_in(UserFactory()).post("/account/password/", data)
    assert answer.status_code == 422
    assert 'id="id_old_password_error"' in answer.content.decode()


# API tokens


def test_a_token_is_shown_once_and_only_its_hash_is_kept(db):
    user = UserFactory()
    client = signed_in(user)
    shown = client.post("/account/tokens/", {"name": "My script"}).content.decode()
    text = re.search(r'value="([^"]+)" readonly', shown)[1]
    token = ApiToken.objects.get()
    assert token.user == user
    assert token.digest == hashlib.sha256(text.encode()).hexdigest()
    again = client.get("/account/").content.decode()
    assert text not in again
    assert "My script" in again


def test_a_token_needs_a_name(db):
    client = signed_in(UserFactory())
    for name in ("", "x" * 81, "a\x00b"):
        client.post("/account/tokens/", {"name": name})
    assert not ApiToken.objects.exists()


def test_only_its_owner_revokes_a_token(db):
    owner, thief = UserFactory(), UserFactory()
    signed_in(owner).post("/account/tokens/", {"name": "Mine"})
    address = f"/account/tokens/{ApiToken.objects.get().pk}/revoke/"
    assert signed_in(thief).post(address).status_code == 404
    assert signed_in(owner).get(address).status_code == 405
    assert ApiToken.objects.exists()
    assert signed_in(owner).post(address).status_code == 302
    assert not ApiToken.objects.exists()


# Saved filters


def test_a_filter_is_kept_under_a_name_and_shown_on_its_list(db):
    user = UserFactory(rep=True)
    client = signed_in(user)
    data = {"page": "/requests/", "name": "Late ones", "query": "attention=overdue"}
    assert client.post("/filters/", data)["Location"] == "/requests/?attention=overdue"
    assert "Late ones" in client.get("/requests/").content.decode()
    client.post("/filters/", data | {"query": "attention=held"})
    assert SavedFilter.objects.get().query == "attention=held"
    other = signed_in(UserFactory(rep=True))
    assert "Late ones" not in other.get("/requests/").content.decode()


def test_only_its_owner_deletes_a_saved_filter(db):
    saved = SavedFilter.objects.create(user=UserFactory(), page="/requests/", name="A", query="a=1")
    address = f"/filters/{saved.pk}/delete/"
    assert signed_in(UserFactory()).post(address).status_code == 404
    assert signed_in(saved.user).post(address)["Location"] == "/requests/"
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize("target", EVIL)
def test_a_saved_filter_never_leads_to_another_site(db, target):
    """TE05."""
    data = {"page": target, "name": "A", "query": "x=1"}
    location = signed_in(UserFactory()).post("/filters/", data)["Location"]
    assert location == "/" or location.startswith("/%")
    assert "\n" not in location


# Handing over


def test_all_open_items_go_to_a_colleague_each_through_the_door(office: Office):
    """X5: every request gets its own event with the reason, every row its own answer."""
    first, second = office.request(), office.request()
    client = signed_in(office.rep)
    page = client.get("/account/hand-over/").content.decode()
    assert first.reference in page
    data = {"colleague": office.rep2.pk, "reason": "Parental leave", "agencies": "on"}
    answer = client.post("/account/hand-over/", data)
    assert answer.status_code == 200
    for request in (first, second):
        request.refresh_from_db()
        assert request.representative == office.rep2
        event = request.events.get(name="reassign_representative")
        assert event.actor == office.rep
        assert event.reason == "Parental leave"
    office.agency.refresh_from_db()
    assert office.agency.representative == office.rep2
    assert "Nothing is open with you" in client.get("/account/hand-over/").content.decode()


def test_handing_over_needs_a_colleague_and_a_reason(office: Office):
    office.request()
    answer = signed_in(office.rep).post("/account/hand-over/", {"colleague": office.billing.pk})
    assert answer.status_code == 422
    assert office.rep.represented_requests.count() == 1


def test_work_in_hand_goes_to_a_colleague_of_the_group_with_its_plan_items(office: Office):
    """F5, X5: it stays where it is, and what cannot go says why."""
    assistance, planned = to_assigned(office), to_planning(office)
    do(planned, "add_plan_item", office.specialist, title="Cable", estimate_hours="2",
       assignee=office.specialist.pk)  # fmt: skip
    data = {"colleague": office.specialist2.pk, "reason": "On leave"}
    page = signed_in(office.specialist).post("/account/hand-over/", data)
    assert page.content.decode().count("has it now") == 2
    for request, state in ((assistance, "assigned"), (planned, "planning")):
        request.refresh_from_db()
        assert (request.specialist, request.state) == (office.specialist2, state)
        assert request.events.get(name="hand_to_colleague").reason == "On leave"
    assert planned.plan_items.get().assignee == office.specialist2


def test_work_does_not_go_to_somebody_outside_the_group(office: Office):
    """S2.5b: one refusal does not stop the other rows."""
    MembershipFactory(group=office.other_group, user=office.specialist)
    request = to_assigned(office)
    data = {"colleague": office.stranger.pk, "reason": "On leave"}
    page = signed_in(office.specialist).post("/account/hand-over/", data).content.decode()
    assert f"is not a member of {office.group}" in page
    request.refresh_from_db()
    assert request.specialist == office.specialist
