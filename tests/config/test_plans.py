"""Every list costs the same with a thousand requests and with a million: what its plans say.

A page that is a list of its own has its rows in `PAGES`: who asks, for which address, with what.
"""

import pytest

from notifications import delivery
from requests_app import archive
from requests_app.models import Request
from tests.plans import growing

PAGES = [
    ("auditor", "/account/", {}),
    ("rep", "/requests/", {}),
    ("rep", "/requests/", {"scope": "all"}),
    ("rep", "/requests/", {"scope": "all", "status": "any"}),
    ("rep", "/requests/", {"scope": "all", "status": "closed"}),
    ("rep", "/requests/", {"state": "pending", "priority": "3", "kind": "assistance"}),
    ("rep", "/requests/", {"scope": "all", "sort": "due"}),
    ("rep", "/requests/", {"scope": "all", "sort": "priority"}),
    ("rep", "/requests/", {"scope": "all", "sort": "state"}),
    ("rep", "/requests/", {"scope": "all", "status": "any", "sort": "-created"}),
    ("rep", "/requests/", {"scope": "all", "status": "any", "sort": "reference"}),
    ("rep", "/requests/", {"scope": "all", "agency": "1"}),
    ("rep", "/requests/", {"scope": "all", "q": "desk"}),
    ("rep", "/requests/", {"page": "40"}),
    ("billing", "/requests/", {}),
    ("asd", "/requests/", {}),
    ("auditor", "/requests/", {}),
    ("specialist", "/requests/", {}),
    ("specialist", "/requests/", {"scope": "mine"}),
    ("rep", "/search/", {"q": "desk"}),
    ("rep", "/search/", {"q": "line front agency"}),
    ("rep", "/search/", {"q": "nothing like ths"}),
    ("specialist", "/search/", {"q": "desk"}),
    ("rep", "/", {}),
    ("lead", "/", {}),
    ("specialist", "/", {}),
    ("billing", "/", {}),
    ("auditor", "/", {}),
    ("rep", "/api/v1/requests/", {}),
    ("specialist", "/api/v1/requests/", {}),
    ("lead", "/queues/{group}/", {}),
    ("auditor", "/queues/", {}),
    ("lead", "/queues/{group}/pending/", {}),
    ("rep", "/queues/{group}/pending/", {}),
    ("specialist", "/queues/{group}/pending/", {"q": "desk", "priority": "3"}),
    ("lead", "/queues/{group}/schedule/", {}),
    ("rep", "/queues/{group}/schedule/", {}),
    ("lead", "/queues/{group}/worklist/", {}),
    ("rep", "/queues/{group}/worklist/", {}),
    ("rep", "/billing/", {}),
    ("billing", "/billing/", {}),
    ("lead", "/billing/", {"q": "desk"}),
    ("rep", "/billing/", {"q": "0042"}),
    ("asd", "/asd/services/", {}),
    ("rep", "/asd/services/", {"q": "desk"}),
    ("rep", "/asd/agencies/", {}),
    ("asd", "/asd/updates/", {}),
    ("rep", "/asd/updates/", {}),
    ("rep", "/discovery/", {}),
    ("lead", "/discovery/", {}),
    ("rep", "/proposals/", {}),
    ("rep", "/parts/", {}),
    ("billing", "/parts/lines/", {}),
    ("rep", "/mail/", {}),
    ("rep", "/reports/", {}),
    ("lead", "/reports/", {}),
]


@pytest.mark.parametrize(("who", "address", "query"), PAGES)
def test_a_page_reads_and_sorts_no_more_than_it_shows(at_scale, who, address, query):
    address = address.format(group=at_scale.office.group.slug)
    found = at_scale.page(getattr(at_scale.office, who), address, **query)
    assert found, "the page asks the database for nothing"
    if growing(found):
        pytest.fail(f"{address} costs more the more there is:\n{growing(found)}", pytrace=False)


@pytest.mark.parametrize(
    ("few", "index"),
    [
        (lambda: archive.due(730)[:1], "request_unarchived"),
        (lambda: Request.objects.filter(archived_at__isnull=False), "request_archived"),
        (lambda: delivery.due().order_by("next_try_at", "pk")[:100], "notice_due"),
    ],
    ids=["to archive", "archived", "notices due"],
)
def test_a_few_among_many_are_found_by_their_own_index(at_scale, few, index):
    found = at_scale.explained(*few().query.sql_with_params())
    assert index in str(found.plan)
    assert found.faults == []


# The harness itself: what it must find, and what it must let pass


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT * FROM requests_app_request WHERE description = 'x'", "reads all of"),
        ("SELECT * FROM requests_app_request WHERE state = 'closed' ORDER BY title LIMIT 25",
         "sorts"),
        ("SELECT count(*) FROM requests_app_request WHERE created_at > '2000-01-01'", "reads"),
        ("SELECT * FROM requests_app_request ORDER BY created_at DESC, id DESC LIMIT 25", ""),
        ("SELECT * FROM requests_app_request WHERE id = 7", ""),
        ("SELECT * FROM workflow_event WHERE id IN (1, 2, 3) ORDER BY at", ""),
    ],
)  # fmt: skip
def test_what_grows_is_found(at_scale, sql, fault):
    found = at_scale.explained(sql, None)
    if fault:
        assert any(fault in sentence for sentence in found.faults), found.plan
    else:
        assert found.faults == [], found.plan
