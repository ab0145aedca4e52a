"""Who is signed in comes with the session: one statement, and never an account of before."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import Office
from tests.requests_app.test_list import as_user
from workflow import clock, sessions
from workflow.models import BrowserSession
from workflow.sessions import SessionStore, take
from workflow.tasks import purge_sessions

pytestmark = pytest.mark.django_db


def test_session_account_and_places_are_one_statement(office: Office) -> None:
    browser = as_user(office.lead)
    browser.get("/requests/")
    with CaptureQueriesContext(connection) as seen:
        assert browser.get("/requests/").context["user"] == office.lead
    about = ("reading__who", "session", "workflow_user", "fulfillment_membership")
    asked = [q["sql"] for q in seen if any(name in q["sql"] for name in about)]
    assert ["reading__who" in sql for sql in asked] == [True], asked


def test_the_places_are_the_person_s_own(office: Office) -> None:
    for person in (office.lead, office.specialist, office.rep):
        store = SessionStore(as_user(person).session.session_key)
        store.load()
        brought = take(person.pk)
        assert brought == person
        assert brought.group_ids == get_user_model().objects.get(pk=person.pk).group_ids


def test_whoever_asks_later_or_for_somebody_else_reads_anew(office: Office) -> None:
    key = as_user(office.lead).session.session_key
    SessionStore(key).load()
    assert take(office.rep.pk) is None
    assert take(office.lead.pk) is None
    SessionStore(key).load()
    assert take(office.lead.pk) == office.lead
    assert take(office.lead.pk) is None


def test_who_is_not_active_any_more_is_out_at_once(office: Office) -> None:
    browser = as_user(office.rep)
    assert browser.get("/").status_code == 200
    get_user_model().objects.filter(pk=office.rep.pk).update(is_active=False)
    assert browser.get("/").status_code == 302


def test_another_password_ends_the_other_sessions(office: Office) -> None:
    browser = as_user(office.rep)
    office.rep.set_password("another long enough one")
    office.rep.save(update_fields=["password"])
    assert browser.get("/").status_code == 302


def test_signing_in_and_out_names_the_person_and_takes_the_name_away(office: Office) -> None:
    browser = as_user(office.rep)
    assert [s.person for s in BrowserSession.objects.all()] == [office.rep]
    browser.post("/logout/")
    assert not BrowserSession.objects.exists()
    assert Client().get("/").status_code == 302


def test_an_unknown_or_expired_key_is_nobody_s(office: Office) -> None:
    browser = as_user(office.rep)
    BrowserSession.objects.update(expire_date=clock.now() - timedelta(seconds=1))
    assert browser.get("/").status_code == 302
    assert sessions.SessionStore("a" * 32).load() == {}


def test_expired_sessions_are_tidied_away(office: Office) -> None:
    as_user(office.rep)
    as_user(office.lead)
    assert purge_sessions() == 0
    old = BrowserSession.objects.filter(person=office.rep)
    old.update(expire_date=clock.now() - timedelta(days=1))
    assert purge_sessions() == 1
    assert [s.person for s in BrowserSession.objects.all()] == [office.lead]
