"""The pages of discovery, proposals and parts: who sees what, how many queries, what they say."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from discovery.models import Discovery, PublishedList
from requests_app.models import Request
from tests.discovery.steps import accepted, drafted, finalised, in_client_discovery
from tests.discovery.test_parts import listed, with_parts
from tests.factories import Office, PartFactory, PartRateFactory, UserFactory
from tests.walk import do, later, to_discovery
from workflow import clock


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def queries(client: Client, path: str) -> int:
    client.get(path)  # content types and the like are read once
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def text_of(response: Any) -> str:
    if response.streaming:
        return b"".join(response.streaming_content).decode()
    return response.content.decode()


@pytest.mark.parametrize("path", ["/discovery/", "/proposals/", "/parts/", "/parts/lines/"])
def test_nobody_reads_the_lists_without_signing_in(db: None, path: str) -> None:
    assert Client().get(path).headers["Location"] == f"/login/?next={path}"


@pytest.mark.parametrize("path", ["/discovery/", "/proposals/", "/parts/", "/parts/lines/"])
def test_an_empty_list_says_how_things_get_there(office: Office, path: str) -> None:
    assert "empty-title" in text_of(signed_in(office.rep).get(path))


def one_more(office: Office) -> Request:
    request, _ = with_parts(office, change="listed", part=listed_part().pk, name="")
    do(request, "send_to_discovery", office.rep, reason="More.", keep_parts="on")
    return request


def listed_part() -> Any:
    part = PartFactory()
    PartRateFactory(part=part)
    return part


@pytest.mark.parametrize("path", ["/discovery/", "/proposals/", "/parts/", "/parts/lines/"])
def test_the_number_of_queries_does_not_grow_with_the_rows(office: Office, path: str) -> None:
    client = signed_in(office.rep)
    one_more(office)
    before = queries(client, path)
    assert before <= 8
    for _ in range(3):
        one_more(office)
    assert queries(client, path) == before


def test_the_request_page_asks_no_more_for_more_needs_findings_and_parts(office: Office) -> None:
    request = in_client_discovery(office)
    client = signed_in(office.rep)

    def grow(number: int) -> None:
        for n in range(number):
            do(request, "add_finding", office.rep, kind="note", on=later(0), text=f"Note {n}")
            do(request, "add_need", office.rep, description=f"Need {n}", source="added",
               quantity_before="0", quantity_after="1", verdict="more")  # fmt: skip
            do(request, "add_part_line", office.rep, change="add", name=f"Part {n}", quantity="1")

    grow(1)
    before = queries(client, request.get_absolute_url())
    grow(4)
    assert queries(client, request.get_absolute_url()) == before


def test_d1_the_list_shows_open_discoveries_and_ended_ones_when_asked(office: Office) -> None:
    request = to_discovery(office, title="Archive sensors")
    client = signed_in(office.rep)
    assert "Archive sensors" in text_of(client.get("/discovery/"))
    do(request, "cancel", office.rep, reason="Withdrawn.")
    assert "Archive sensors" not in text_of(client.get("/discovery/"))
    assert "Archive sensors" in text_of(client.get("/discovery/?ended=yes"))
    assert "Archive sensors" in text_of(client.get("/discovery/?stage=abandoned"))


def test_d5_mine_and_my_teams_discoveries(office: Office) -> None:
    request = in_client_discovery(office, title="Archive sensors")
    assert "Archive sensors" in text_of(signed_in(office.rep).get("/discovery/?whose=mine"))
    assert "Archive sensors" not in text_of(signed_in(office.rep2).get("/discovery/?whose=mine"))
    assert "Archive sensors" in text_of(signed_in(office.specialist).get("/discovery/?whose=team"))
    assert "Archive sensors" not in text_of(signed_in(office.lead).get("/discovery/?whose=team"))
    assert request.discovery.is_open


def test_who_does_not_see_the_request_sees_nothing_of_its_discovery(office: Office) -> None:
    """TD03: list, page, PDF and export, all by the same rule."""
    request = finalised(office, title="Archive sensors")
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    do(request, "add_part_line", office.rep, change="add", name="Sensor", quantity="1")
    reference = request.proposals.get().reference
    stranger = signed_in(office.stranger)
    for path in ("/discovery/", "/proposals/", "/parts/lines/"):
        for query in ("", "?export=csv", "?q=Archive"):
            assert request.reference not in text_of(stranger.get(path + query))
    assert stranger.get(f"/proposals/{reference}/").status_code == 404
    assert stranger.get(f"/proposals/{reference}.pdf").status_code == 404
    assert signed_in(office.auditor).get(f"/proposals/{reference}/").status_code == 200


def test_the_open_ones_are_those_of_all_that_one_sees(office: Office) -> None:
    """TD03: found from the other side, by the same rule."""
    in_client_discovery(office)
    do(to_discovery(office), "cancel", office.rep, reason="Withdrawn.")
    assert Discovery.objects.open_visible_to(office.rep).count() == 1
    for name in ("rep", "lead", "specialist", "stranger", "billing", "asd", "auditor"):
        person = getattr(office, name)
        seen = Discovery.objects.visible_to(person).open()
        assert set(Discovery.objects.open_visible_to(person)) == set(seen), name


def test_what_a_filter_lets_choose_from_is_read_with_the_list(office: Office) -> None:
    to_discovery(office)
    client = signed_in(office.rep)
    with CaptureQueriesContext(connection) as captured:
        assert str(office.agency) in text_of(client.get("/discovery/"))
    assert sum('"asd_agency"."name")::text' in q["sql"] for q in captured) == 1


def test_d8_a_proposal_page_shows_its_versions_and_the_file(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep, summary="Two <b>displays</b>")
    accepted(request, office.rep)
    do(request, "revise_proposal", office.rep)
    reference = request.proposals.first().reference
    client = signed_in(office.rep)
    page = text_of(client.get(f"/proposals/{reference.lower()}/"))
    assert "v2" in page
    assert "Two &lt;b&gt;displays&lt;/b&gt;" in page
    assert "Accepted" not in page.split("<aside")[0]
    first = text_of(client.get(f"/proposals/{reference}/?version=1"))
    assert request.proposals.get(version=1).pdf.sha256 in first
    issued = client.get(f"/proposals/{reference}.pdf?version=1")
    assert issued["Content-Type"] == "application/pdf"
    assert b"".join(issued.streaming_content).startswith(b"%PDF-")
    draft = client.get(f"/proposals/{reference}.pdf")
    assert draft.content.startswith(b"%PDF-")
    assert "draft-" in draft["Content-Disposition"]


@pytest.mark.parametrize("version", ["9", "0", "-1", "x", "99999999999999999999", "1%00", "٣"])
def test_a_version_that_does_not_exist_is_not_found(office: Office, version: str) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    reference = request.proposals.get().reference
    answer = signed_in(office.rep).get(f"/proposals/{reference}/?version={version}")
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/discovery/", "/proposals/", "/parts/", "/parts/lines/"])
@pytest.mark.parametrize(
    "query", ["q=%00", "q=" + "x" * 300, "agency=x", "agency=999999999999999999999", "page=x",
              "stage=nonsense", "state=nonsense", "whose=x", "order_by=password"]
)  # fmt: skip
def test_a_strange_filter_never_breaks_a_list(office: Office, path: str, query: str) -> None:
    assert signed_in(office.rep).get(f"{path}?{query}").status_code == 200


def test_d12_the_parts_list_is_published_as_it_was(office: Office) -> None:
    request, line = with_parts(office)
    listed(request, line, office, rate="100")
    client = signed_in(office.specialist)
    number = PublishedList.objects.get().number
    published = client.get(f"/parts/published/{number}.csv")
    assert 'filename="parts-list-' in published["Content-Disposition"]
    line.refresh_from_db()
    line.part.name = "Renamed"
    line.part.save(update_fields=["name"])
    assert "Display" in text_of(client.get(f"/parts/published/{number}.csv"))
    assert client.get("/parts/published/999999999999999999.csv").status_code == 404
    assert "Renamed" in text_of(client.get("/parts/?q=b-1"))
    assert "100.00" in text_of(client.get("/parts/?export=csv"))


def test_an_export_is_harmless_in_a_spreadsheet(office: Office) -> None:
    to_discovery(office, title="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in text_of(signed_in(office.rep).get("/discovery/?export=csv"))


def test_d12_the_billing_office_finds_what_to_rate(office: Office) -> None:
    request, line = with_parts(office)
    client = signed_in(office.billing)
    assert "To rate" in text_of(client.get("/parts/lines/?state=requested"))
    listed(request, line, office)
    page = text_of(client.get("/parts/lines/"))
    assert request.reference not in page
    assert request.reference in text_of(client.get("/parts/lines/?all=true"))


def test_sections_appear_with_their_forms_and_blocked_buttons(office: Office) -> None:
    request = in_client_discovery(office)
    page = text_of(signed_in(office.rep).get(request.get_absolute_url()))
    assert 'id="discovery"' in page
    assert 'data-action="add_finding"' in page
    assert "Write down at least one dated finding." in page
    read_only = text_of(signed_in(office.auditor).get(request.get_absolute_url()))
    assert 'id="discovery"' in read_only
    assert 'data-action="add_finding"' not in read_only


def test_a_form_that_came_back_shows_what_was_typed_in_its_row(office: Office) -> None:
    request = in_client_discovery(office)
    need = request.discovery.needs.get()
    client = signed_in(office.specialist)
    answer = client.post(
        f"{request.get_absolute_url()}actions/judge_need/",
        {"need": need.pk, "verdict": "more", "quantity_after": "1", "why": "Kept words"},
    )
    page = text_of(answer)
    assert answer.status_code == 422
    assert "Kept words" in page
    assert "More means more than the 1 asked for." in page


def test_d9_a_purchase_order_is_uploaded_through_the_page(office: Office) -> None:
    request = finalised(office)
    drafted(request, office.rep)
    do(request, "issue_proposal", office.rep)
    paper = SimpleUploadedFile("po.pdf", b"%PDF-1.4\n%%EOF\n", "application/pdf")
    today = clock.today().isoformat()
    answer = signed_in(office.rep).post(
        f"{request.get_absolute_url()}actions/record_purchase_order/",
        {"number": "PO-7", "amount": "2000", "issued_on": today, "file": paper},
    )
    assert answer.status_code == 302
    assert request.purchase_orders.get().attachment.purpose == "purchase_order"


def test_who_is_not_active_sees_nothing(office: Office) -> None:
    gone = UserFactory(is_active=False, rep=True)
    request = to_discovery(office)
    assert not type(request.discovery).objects.visible_to(gone).exists()
