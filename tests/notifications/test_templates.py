"""Every promised notice can be written, in text and HTML, whatever is known (D4-D9, F8-F15)."""

from typing import Any

import pytest
from django.template import TemplateDoesNotExist

from notifications.models import Notice, NoticeText
from notifications.rendering import Kept, Mail, render, render_notice
from notifications.samples import SAMPLE
from notifications.texts import templates
from requests_app.notice_section import TITLES
from requests_app.notices import AUDIENCES
from requests_app.process import Process
from tests.factories import Office

CUSTOMER = [name for name, who in AUDIENCES.items() if who.__name__ == "customers"]
FACTS: dict[str, Any] = {
    "reference": "REQ-2026-000123",
    "title": "Forty handsets & a switch",
    "agency": "Department of Parks",
    "service": "Voice",
    "group": "Network Services",
    "kind": "enhancement",
    "reason": "The reason given.",
    "resolution": "What was done.",
    "message": "A message.",
    "question": "Which floor?",
    "review_on": "2026-12-09",
    "due_at": "2026-12-03T02:30:00+00:00",
    "first_day": "2026-12-02",
    "last_day": "2026-12-04",
    "proposal": "PRO-2026-000007 v2",
    "valid_until": "2026-12-31",
    "by": "Robin Vale",
    "address": "gone@agency.example",
    "name": "Jo",
    "reopen_days": 14,
    "days": 3,
    "score": 2,
    "link": "https://desk.example/track/7-abc/",
}


@pytest.mark.parametrize("template", AUDIENCES)
@pytest.mark.parametrize("facts", [FACTS, {}], ids=["full", "empty"])
def test_every_notice_is_written_in_text_and_html(template: str, facts: dict[str, Any]) -> None:
    mail = render(template, facts)
    assert mail.subject
    assert "\n" not in mail.subject
    assert "---" not in mail.text
    assert mail.html.startswith("<!doctype html>")
    for part in (mail.text, mail.html):
        assert "{" not in part
        assert "None" not in part


@pytest.mark.parametrize("template", AUDIENCES)
def test_every_notice_names_the_request_and_links_to_it(template: str) -> None:
    mail = render(template, FACTS)
    assert "REQ-2026-000123" in mail.subject
    assert "https://desk.example/track/7-abc/" in mail.text
    assert 'href="https://desk.example/track/7-abc/"' in mail.html
    assert "Department of Parks" in mail.text
    assert "  " not in mail.text


@pytest.mark.parametrize("template", AUDIENCES)
def test_without_a_reason_no_reason_is_announced(template: str) -> None:
    """Half a sentence is worse than none."""
    text = render(template, {**FACTS, "reason": "", "question": "", "resolution": ""}).text
    assert ":\n\nhttps" not in text
    assert "reason" not in text.lower()


@pytest.mark.parametrize("template", CUSTOMER)
def test_customers_read_no_words_of_the_house(template: str) -> None:
    """To them an enhancement is a Request for Change, and a group has no pending queue."""
    mail = render(template, FACTS)
    for word in ("enhancement", "triage", "pending queue", "CAR ", "specialist_", "ASD"):
        assert word not in mail.text


def read(template: str, **facts: Any) -> Mail:
    return render(template, {**FACTS, **facts})


def test_the_schedule_is_told_with_its_date_in_words() -> None:
    mail = read("scheduled")
    assert "2 December 2026" in mail.subject
    assert "Wednesday 2 December 2026" in mail.text
    assert "Friday 4 December 2026" in mail.text
    assert "Friday 4" not in read("scheduled", last_day="2026-12-02").text


def test_a_target_is_said_in_the_offices_own_day(settings: Any) -> None:
    """Half past two at night in UTC is the evening before at the office."""
    assert "Wednesday 2 December 2026" in read("routed").text


def test_a_fulfilled_enhancement_is_a_request_for_change() -> None:
    """F11, F15."""
    mail = read("rfc_fulfilled")
    assert mail.subject == "Your Request for Change REQ-2026-000123 is fulfilled"
    assert "A message." in mail.text


def test_what_people_typed_is_text_in_the_html() -> None:
    """TC05."""
    mail = read("cancelled", reason="<script>alert(1)</script>", title="<img src=x onerror=y>")
    assert "<script>" not in mail.html
    assert "<img" not in mail.html
    assert "<script>alert(1)</script>" in mail.text


def test_a_notice_nobody_wrote_is_an_error() -> None:
    with pytest.raises(TemplateDoesNotExist):
        render("no_such_notice", FACTS)


def test_every_promise_of_the_table_has_an_audience_and_a_title() -> None:
    """What the rows promise, notices.py tells; the delivery log names it."""
    from workflow.machine import steps_of

    told = {name for model in Process.__subclasses__() for s in steps_of(model) for name in s.tell}
    assert told <= set(AUDIENCES)
    assert set(TITLES) == set(AUDIENCES)


def test_a_real_request_tells_its_contact_where_to_look(office: Office) -> None:
    """The outbox keeps the address sealed; the mail has it, and it opens the contact's page."""
    request = office.request()
    [notice] = request.events.get(name="take_in").notices.all()
    assert notice.address == office.contact.email
    assert "/track/" not in str(notice.context)
    assert "/track/" in render_notice(notice).text


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("template", templates())
def test_laid_out_once_for_many_it_says_to_each_what_it_would_alone(
    template: str, language: str
) -> None:
    """Nobody gets the link, the name or the way out of another one."""
    own = {"rate": "https://desk.example/r?a=1&b=", "unsubscribe": "https://desk.example/u?x="}
    notices = [
        Notice(
            template=template, language=language, address=f"p{n}@parks.example",
            recipient_name=name,
            context={**SAMPLE, "link": f"https://desk.example/t/{n}?a='b'&c",
                     **({k: f"{v}{n}" for k, v in own.items()} if n else {})},
        )
        for n, name in enumerate(["", "Jo", 'Ann "A" <a@b.example>', "Jo"])
    ]  # fmt: skip
    kept: Kept = {}
    together = [render_notice(notice, {}, kept) for notice in notices]
    assert together == [render_notice(notice, {}) for notice in notices]
    assert len(kept) == 2


def test_a_personal_subject_is_laid_out_for_each() -> None:
    text = NoticeText(template="received", language="en", subject="For {{ name }}", body="Hello.")
    changed = {("received", "en"): text}
    kept: Kept = {}
    said = [
        render_notice(Notice(template="received", recipient_name=n, context=SAMPLE), changed, kept)
        for n in ("Jo", "Ann")
    ]
    assert [mail.subject for mail in said] == ["For Jo", "For Ann"]
    assert "Ann" in said[1].html
