"""An office's own words for its notices: placeholders only, previewed, and never in the way."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from notifications import delivery, texts
from notifications.models import NoticeText
from notifications.rendering import render
from notifications.samples import SAMPLE
from tests.factories import UserFactory
from tests.notifications.conftest import queue
from tests.notifications.post import Post

ADD = "/admin/notifications/noticetext/add/"
TYPED = {
    "template": "assigned", "language": "en", "subject": "Yours: {{ reference }}",
    "body": "Please look at {{ title }}.\n\nUntil {{ due_at }}.\n\nThank you.",
    "events-TOTAL_FORMS": "0", "events-INITIAL_FORMS": "0",
}  # fmt: skip


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(UserFactory(admin=True))
    return client


def save(client: Client, address: str = ADD, **typed: str) -> Any:
    return client.post(address, {**TYPED, **typed})


def test_every_shipped_notice_knows_its_placeholders(db: None) -> None:
    """And no word of the template language is taken for one."""
    for template in texts.templates():
        known = texts.placeholders(template)
        assert {"reference", "title", "agency", "name"} <= set(known)
        assert not {"if", "with", "day", "date", "load", "off"} & set(known), template
    assert "due_at" in texts.placeholders("assigned")
    assert "proposal" not in texts.placeholders("assigned")


def test_an_own_text_is_sent_with_dates_in_words(admin: Client, event: Any, post: Post) -> None:
    assert save(admin, template="received", body="It is {{ title }}.\n\nBye, {{ name }}.",
                subject="Got {{ reference }}").status_code == 302  # fmt: skip
    queue(event, title="<b>A & B</b> {{ agency }} {% now 'Y' %}")
    delivery.sweep()
    [mail] = post.messages
    text = mail.get_body(["plain"]).get_content()
    assert mail["Subject"] == "Got REQ-2026-000001"
    assert "It is <b>A & B</b> {{ agency }} {% now 'Y' %}." in text, "what people type is not run"
    assert "Bye, Jo." in text
    assert "http://127.0.0.1:8000/track/1-x/" in text
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in mail.get_body(["html"]).get_content()


def test_a_paragraph_with_nothing_to_say_is_left_out(db: None) -> None:
    own = NoticeText(template="assigned", subject="S", body=TYPED["body"])
    with_date = render("assigned", SAMPLE, "en", own).text
    assert "Until Thursday 3 December 2026." in with_date
    assert "Until" not in render("assigned", {**SAMPLE, "due_at": ""}, "en", own).text
    assert "jueves 3 de diciembre de 2026" in render("assigned", SAMPLE, "es", own).text


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("body", "About {{ proposal }}", "does not know {{ proposal }}"),
        ("subject", "{{ secret_key }}", "does not know {{ secret_key }}"),
        ("body", "{{ title.__class__ }}", "Only plain placeholders"),
        ("body", "{% include 'x' %}", "Only plain placeholders"),
        ("body", "{{ title|safe }}", "Only plain placeholders"),
        ("subject", "{{ title", "Only plain placeholders"),
    ],
)
def test_what_a_notice_does_not_know_is_said_beside_the_field(
    admin: Client, field: str, typed: str, says: str
) -> None:
    answer = save(admin, **{field: typed})
    assert answer.status_code == 200
    assert says in str(answer.context["adminform"].form.errors[field])
    assert not NoticeText.objects.exists()
    with pytest.raises(ValidationError):
        texts.check(typed, "assigned")


def test_previews_stand_alone_where_nothing_runs(admin: Client) -> None:
    save(admin)
    address = "/admin/notifications/noticetext/preview/assigned/en/"
    html, text = admin.get(f"{address}?as=html"), admin.get(f"{address}?as=text")
    for answer in (html, text):
        assert "sandbox" in answer["Content-Security-Policy"]
        assert "script-src" not in answer["Content-Security-Policy"]
        assert "Please look at Forty handsets" in answer.content.decode()
    assert text["Content-Type"].startswith("text/plain")
    shipped = admin.get(f"{address}?as=text&shipped=1").content.decode()
    assert "Robin Vale assigned" in shipped
    assert admin.get("/admin/notifications/noticetext/preview/_log/en/").status_code == 404
    assert Client().get(address).status_code == 302


def test_changes_are_kept_and_one_can_go_back(admin: Client) -> None:
    save(admin)
    own = NoticeText.objects.get()
    change = f"/admin/notifications/noticetext/{own.pk}/change/"
    page = admin.get(change).content.decode()
    assert "due_at" in page
    save(admin, change, subject="Another subject")
    assert "Yours: {{ reference }}" in admin.get(change).content.decode(), "what it was"
    admin.post("/admin/notifications/noticetext/",
               {"action": "back_to_the_original", "_selected_action": [own.pk]})  # fmt: skip
    assert not NoticeText.objects.exists()


def test_a_text_that_cannot_be_written_holds_up_no_mail(
    event: Any, post: Post, caplog: Any
) -> None:
    """TB17: the shipped text goes out, and admin says what is wrong."""
    NoticeText.objects.create(template="received", subject="x", body="{{ no_such_fact }} is gone")
    queue(event)
    delivery.sweep()
    assert [str(m["Subject"])[:16] for m in post.messages] == ["We have received"]
    assert "no_such_fact" in NoticeText.objects.get().trouble
