"""The pages and files of billing: who sees what, what they say, how many queries (F12, F13)."""

import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from asd.models import Agency
from billing.models import BillingCase
from requests_app.models import Request
from tests import walk
from tests.billing.test_charging import FACTS, initiated
from tests.factories import Office, UserFactory
from tests.walk import do


def as_user(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return body.decode("utf-8-sig")


def table_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(response))))


def test_who_sees_which_billing_case_f12(office: Office) -> None:
    """Money: the billing office, auditors, representatives, the group; nobody else."""
    walk.to_billing(office)
    case = BillingCase.objects.get()
    sees = [office.rep, office.rep2, office.billing, office.auditor, office.specialist, office.lead]
    for user, found in [*((u, True) for u in sees), (office.stranger, False), (office.asd, False)]:
        assert BillingCase.objects.visible_to(user).exists() is found
        client = as_user(user)
        assert client.get(case.get_absolute_url()).status_code == (200 if found else 404)
        assert (case.reference in text_of(client.get("/billing/"))) is found
        assert (case.reference in text_of(client.get("/billing/export/"))) is found
        for kind in ("csv", "json", "pdf"):
            file = client.get(f"/billing/{case.reference}.{kind}")
            assert file.status_code == (200 if found else 404)


def test_nobody_sees_billing_without_signing_in(office: Office) -> None:
    walk.to_billing(office)
    case = BillingCase.objects.get()
    for path in ("/billing/", "/billing/export/", case.get_absolute_url()):
        assert Client().get(path).status_code == 302


def test_a_case_explains_rate_quantity_and_evidence_f13(office: Office) -> None:
    walk.to_billing(office)
    said = text_of(as_user(office.rep).get(BillingCase.objects.get().get_absolute_url()))
    for words in (
        office.agreement.reference,
        "rate card",
        "3.5 hours",
        "USD 95.00",
        "USD 332.50",
        "1 time entry by",
        "Customer known to billing",
    ):
        assert words in said


def test_the_request_page_has_the_charge_and_its_actions_f12(office: Office) -> None:
    request = walk.passed(office, charge=True)
    client = as_user(office.specialist)
    said = text_of(client.get(request.get_absolute_url()))
    assert 'data-action="prefill_charge"' in said
    do(request, "prefill_charge", office.specialist)
    said = text_of(client.get(request.get_absolute_url()))
    for name in ("add_charge_line", "edit_charge_line", "remove_charge_line", "open_billing"):
        assert f'data-action="{name}"' in said
    assert said.count('data-action="open_billing"') == 1
    do(request, "open_billing", office.specialist)
    assert 'data-action="edit_charge_line"' not in text_of(client.get(request.get_absolute_url()))
    theirs = text_of(as_user(office.rep).get(request.get_absolute_url()))
    for name in ("initiate_billing", "request_asd_update", "waive_asd_update", "settle"):
        assert theirs.count(f'data-action="{name}"') == 1


def test_cases_that_wait_for_me_are_on_top_f12(office: Office) -> None:
    waiting = walk.to_billing(office).billing_case
    done = initiated(office).billing_case
    said = text_of(as_user(office.rep).get("/billing/"))
    assert said.index(waiting.reference) < said.index(done.reference)
    assert "Initiate billing" in said
    theirs = text_of(as_user(office.billing).get("/billing/"))
    assert theirs.index(done.reference) < theirs.index(waiting.reference)


def test_the_list_is_narrowed_and_bad_filters_do_no_harm(office: Office) -> None:
    waiting = walk.to_billing(office).billing_case
    done = initiated(office).billing_case
    client = as_user(office.rep)

    def found(query: str) -> set[str]:
        said = text_of(client.get(f"/billing/?{query}"))
        return {c.reference for c in (waiting, done) if c.get_absolute_url() in said}

    assert found("state=forwarded") == {waiting.reference}
    assert found("avenue=change_order") == {done.reference}
    assert found("q=FIN-1") == {done.reference}
    assert found(f"q={waiting.reference[-4:]}") == {waiting.reference}
    assert found(f"q={waiting.request.reference}") == {waiting.reference}
    both = {waiting.reference, done.reference}
    assert found(f"q={waiting.request.title.split()[0].lower()}") == both
    assert found("q=nothing+like+this") == set()
    assert found(f"agency={office.agency.pk}") == {waiting.reference, done.reference}
    assert found("opened_to=2001-01-01") == set()
    for query in ("state=x", "agency=x", "opened_from=soon", "page=99", "q=%00", "q=%F0%9F%98%80"):
        assert client.get(f"/billing/?{query}").status_code in (200, 400)


def test_finance_gets_every_line_as_csv_f13(office: Office) -> None:
    case = initiated(office).billing_case
    (row,) = table_of(as_user(office.billing).get("/billing/export/?format=csv"))
    assert row["billing_case"] == case.reference
    assert (row["quantity"], row["rate"], row["amount"]) == ("3.50", "95.00", "332.50")
    assert row["finance_number"] == "FIN-1"
    assert row["evidence"].startswith("3.50 h")


def test_a_credit_is_exported_as_the_amount_taken_back_f13(office: Office) -> None:
    request = initiated(office)
    do(request, "credit_billing", office.billing, reason="Charged twice")
    rows = table_of(as_user(office.billing).get("/billing/export/"))
    assert [(row["sign"], row["amount"]) for row in rows] == [
        ("charge", "332.50"),
        ("credit", "-332.50"),
    ]
    said = text_of(as_user(office.billing).get(f"/billing/{rows[0]['billing_case']}/"))
    assert "Credited in full" in said
    assert "Charged twice" in said


def test_json_keeps_every_cent_as_text_f13(office: Office) -> None:
    case = initiated(office).billing_case
    answer = as_user(office.rep).get(f"/billing/{case.reference}.json")
    data = json.loads(text_of(answer))["billing_cases"][0]
    assert data["total"] == "332.50"
    assert data["lines"][0]["amount"] == "332.50"
    assert data["agency_code"] == office.agency.code


def test_the_pdf_is_a_pdf_whatever_people_wrote_f13(office: Office) -> None:
    title = '#eval("1") *bold* $x$ "\\ <a> Ünïcödé 漢字 🙂'
    request = walk.to_billing(office, title=title)
    client = as_user(office.rep)
    answer = client.get(f"/billing/{request.billing_case.reference}.pdf")
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert client.get(f"/billing/{request.billing_case.reference}.exe").status_code == 404


def test_what_a_spreadsheet_would_run_is_made_harmless_td04(office: Office) -> None:
    Agency.objects.filter(pk=office.agency.pk).update(name='=HYPERLINK("http://x.example")')
    request = walk.to_billing(office, title="@SUM(A1:A9)")
    do(request, "initiate_billing", office.rep, **{**FACTS, "finance_number": "-2+3"})
    client = as_user(office.billing)
    (row,) = table_of(client.get("/billing/export/"))
    assert row["agency"].startswith("'=")
    assert row["request_title"].startswith("'@")
    assert row["finance_number"] == "'-2+3"
    (listed,) = table_of(client.get("/billing/?export=csv"))
    assert listed["Agency"].startswith("'=")
    assert listed["Total"] == "332.50"


def test_an_export_is_what_the_filter_shows(office: Office) -> None:
    walk.to_billing(office)
    done = initiated(office).billing_case
    rows = table_of(as_user(office.rep).get("/billing/export/?state=initiated"))
    assert {row["billing_case"] for row in rows} == {done.reference}


@pytest.mark.parametrize("path", ["/billing/", "/billing/export/?format=json"])
def test_the_number_of_queries_does_not_grow_with_the_cases(office: Office, path: str) -> None:
    walk.to_billing(office)
    client = as_user(office.rep)
    client.get(path)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            text_of(client.get(path))
        return len(captured)

    before = queries()
    for _ in range(3):
        walk.to_billing(office)
    assert queries() == before
    assert before <= 8


def test_the_request_page_asks_no_more_for_more_lines(office: Office) -> None:
    request = walk.passed(office, charge=True)
    do(request, "prefill_charge", office.specialist)
    client = as_user(office.specialist)

    def queries() -> int:
        client.get(request.get_absolute_url())
        with CaptureQueriesContext(connection) as captured:
            client.get(request.get_absolute_url())
        return len(captured)

    before = queries()
    for number in range(4):
        do(request, "add_charge_line", office.specialist, basis=f"rate_card:{office.rate.pk}",
           quantity="1", evidence=f"Visit {number}")  # fmt: skip
    assert queries() == before


def test_a_bad_charge_is_said_beside_the_field_and_nothing_is_lost(office: Office) -> None:
    request = walk.passed(office, charge=True)
    address = f"/requests/{request.reference}/actions/add_charge_line/"
    facts = {"basis": f"rate_card:{office.rate.pk}", "quantity": "-3", "evidence": "Two visits"}
    answer = as_user(office.specialist).post(address, facts)
    assert answer.status_code == 422
    said = text_of(answer)
    assert "Two visits" in said
    assert "greater than or equal to 0.01" in said


def test_an_administrator_looks_at_cases_but_does_not_write_them_f13(office: Office) -> None:
    walk.to_billing(office)
    case = BillingCase.objects.get()
    client = as_user(UserFactory(admin=True))
    assert client.get("/admin/billing/billingcase/").status_code == 200
    page = f"/admin/billing/billingcase/{case.pk}/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"finance_number": "X"}).status_code == 403
    assert Request.objects.get().billing_case.finance_number == ""


def test_a_bad_change_of_a_line_keeps_what_was_typed(office: Office) -> None:
    request = walk.passed(office, charge=True)
    line = do(request, "prefill_charge", office.specialist).lines.get()
    do(request, "add_charge_line", office.specialist, basis=f"rate_card:{office.rate.pk}",
       quantity="1", evidence="Another visit")  # fmt: skip
    address = f"/requests/{request.reference}/actions/edit_charge_line/"
    facts = {"line": line.pk, "quantity": "-3", "evidence": "Typed with care", "description": "X"}
    answer = as_user(office.specialist).post(address, facts)
    assert answer.status_code == 422
    said = text_of(answer)
    assert said.count("Typed with care") == 1
    assert said.count("greater than or equal to 0.01") == 1
