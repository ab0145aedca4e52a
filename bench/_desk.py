"""Who asks for what: sessions, references and words of a database, printed as JSON.

`python -m bench._desk` with DATABASE_URL set. Makes the floor's tables too, and counts the reports
as the scheduler would have.
"""

import json
import sys
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - after setup
from django.db import connection  # noqa: E402
from django.db.models import QuerySet  # noqa: E402

from bench._people import BARE, GROUP, PEOPLE, covered, session_of  # noqa: E402
from bench.floor.models import MAKE  # noqa: E402
from config.celery import app  # noqa: E402
from fulfillment.models import ProviderGroup  # noqa: E402
from requests_app.models import Request  # noqa: E402
from requests_app.triage import CHECKLIST  # noqa: E402
from workflow.models import User  # noqa: E402

UNSEEN = 400  # more than a run opens: each is opened once
BUSY = """
SELECT stream_id FROM workflow_event WHERE stream_id = ANY(%s) AND stream_type_id = (
    SELECT id FROM django_content_type WHERE app_label = 'requests_app' AND model = 'request')
GROUP BY stream_id ORDER BY abs(count(*) - 30), stream_id LIMIT %s
"""


def refresh() -> None:
    """What the scheduler would have counted: reports are read, not computed."""
    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        if str(entry["task"]).rpartition(".")[2].startswith("count_"):
            app.tasks[str(entry["task"])].apply()


def near_thirty(among: QuerySet[Request], many: int) -> list[int]:
    """So many of the newest 5,000 whose history comes nearest to 30 events."""
    some = list(among.order_by("-pk").values_list("pk", flat=True)[:5000])
    with connection.cursor() as cursor:
        cursor.execute(BUSY, [some, many])
        return [row[0] for row in cursor.fetchall()]


def desk() -> dict[str, Any]:
    """Everything that the operations need, as plain values."""
    people = {p.username: p for p in User.objects.filter(username__in=PEOPLE)}
    group = ProviderGroup.objects.get(slug=GROUP)
    own = Request.objects.filter(provider_group=group)
    busy = near_thirty(own.open(), 20)
    unseen = near_thirty(Request.objects.open().exclude(pk__in=busy), UNSEEN)
    with connection.cursor() as cursor:
        cursor.execute(MAKE, [busy])
    service = covered(people, group)
    agency = service.agreement.agency
    titles = own.order_by("-pk").values_list("title", flat=True)[:500]
    return {
        "group": group.pk,
        "slug": group.slug,
        "sessions": {name: session_of(person) for name, person in people.items()},
        "bare sessions": {name: session_of(person, BARE) for name, person in people.items()},
        "busy": list(Request.objects.filter(pk__in=busy).values_list("pk", "reference")),
        "unseen": list(Request.objects.filter(pk__in=unseen).values_list("reference", flat=True)),
        "rows": list(own.order_by("-pk").values_list("pk", flat=True)[:2000]),
        "agency": agency.pk,
        "contact": agency.contacts.active().values_list("pk", flat=True).first(),
        "service": service.service_id,
        "checklist": [key for key, _ in CHECKLIST],
        "words": sorted({t.rpartition(", ")[2].split()[0] for t in titles if ", " in t}),
        "requests": Request.objects.count(),
        "open": Request.objects.open().count(),
    }


if __name__ == "__main__":
    refresh()
    sys.stdout.write(json.dumps(desk()) + "\n")
