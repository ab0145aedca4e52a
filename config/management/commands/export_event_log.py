"""Write the event log of requests for process mining: CSV, XES or OCEL 2.0 (JSON).

One row or event per recorded step, streamed, so that memory stays small however long the log is.
"""

import csv
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, TextIO
from xml.sax.saxutils import quoteattr

from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand

from requests_app.models import Request
from workflow.models import Event

CHUNK = 2000
COLUMNS = ["case", "activity", "timestamp", "resource", "role", "from", "to", "reason", "object"]


def rows() -> Iterator[dict[str, str]]:
    """Every event on a request's history, in order, as plain words."""
    kind = ContentType.objects.get_for_model(Request)
    names = {c.pk: c.model for c in ContentType.objects.all()}
    events = Event.objects.filter(stream_type=kind).order_by("stream_id", "number")
    reference, stream = "", 0
    for event in events.iterator(chunk_size=CHUNK):
        if event.stream_id != stream:
            stream = event.stream_id
            reference = Request.objects.values_list("reference", flat=True).get(pk=stream)
        yield {
            "case": reference,
            "activity": event.name,
            "timestamp": event.at.isoformat(),
            "resource": event.actor_name,
            "role": event.actor_kind,
            "from": event.source,
            "to": event.target,
            "reason": event.reason,
            "object": f"{names[event.subject_type_id]}-{event.subject_id}",
        }


def as_csv(out: TextIO) -> None:
    """A table. Cells that a spreadsheet would run as a formula are marked as text."""
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for row in rows():
        writer.writerow({k: f"'{v}" if v[:1] in "=+-@\t\r" and v else v for k, v in row.items()})


def as_xes(out: TextIO) -> None:
    """IEEE 1849: a trace per request."""
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write('<log xes.version="1.0" xmlns="http://www.xes-standard.org/">\n')
    for name, prefix in (("Concept", "concept"), ("Time", "time"), ("Organizational", "org")):
        uri = f"http://www.xes-standard.org/{prefix}.xesext"
        out.write(f'<extension name="{name}" prefix="{prefix}" uri="{uri}"/>\n')
    case = ""
    for row in rows():
        if row["case"] != case:
            out.write("</trace>\n" if case else "")
            case = row["case"]
            out.write(f"<trace>{_string('concept:name', case)}\n")
        when = f'<date key="time:timestamp" value={quoteattr(row["timestamp"])}/>'
        words = [("concept:name", "activity"), ("org:resource", "resource"), ("org:role", "role"),
                 ("from", "from"), ("to", "to"), ("reason", "reason")]  # fmt: skip
        out.write(f"<event>{when}{''.join(_string(k, row[v]) for k, v in words)}</event>\n")
    out.write("</trace>\n" if case else "")
    out.write("</log>\n")


def _string(key: str, value: str) -> str:
    plain = "".join(c for c in value if c in "\t\n\r" or c >= " ")
    return f"<string key={quoteattr(key)} value={quoteattr(plain)}/>"


def as_ocel2(out: TextIO) -> None:
    """OCEL 2.0 in JSON: each event with its request and the thing it happened to."""
    activities = sorted(Event.objects.order_by().values_list("name", flat=True).distinct())
    kinds = Event.objects.order_by().values_list("subject_type__model", flat=True).distinct()
    types = [{"name": n, "attributes": []} for n in sorted({"request", *kinds})]
    out.write('{"objectTypes": ' + json.dumps(types))
    event_types = [{"name": n, "attributes": EVENT_ATTRIBUTES} for n in activities]
    out.write(',\n"eventTypes": ' + json.dumps(event_types) + ',\n"events": [')
    for number, row in enumerate(rows()):
        related = [{"objectId": row["case"], "qualifier": "request"}]
        if not row["object"].startswith("request-"):
            related.append({"objectId": row["object"], "qualifier": "subject"})
        words = [{"name": a["name"], "value": row[a["name"]]} for a in EVENT_ATTRIBUTES]
        event = {"id": f"e{number}", "type": row["activity"], "time": row["timestamp"],
                 "attributes": words, "relationships": related}  # fmt: skip
        out.write((",\n" if number else "\n") + json.dumps(event))
    out.write('],\n"objects": [')
    for number, (name, kind) in enumerate(_objects()):
        thing = {"id": name, "type": kind, "attributes": [], "relationships": []}
        out.write((",\n" if number else "\n") + json.dumps(thing))
    out.write("]}\n")


EVENT_ATTRIBUTES = [{"name": n, "type": "string"} for n in ("resource", "role", "from", "to")]


def _objects() -> Iterator[tuple[str, str]]:
    """Every request, and every other thing that something happened to."""
    for reference in Request.objects.values_list("reference", flat=True).iterator(CHUNK):
        yield reference, "request"
    kind = ContentType.objects.get_for_model(Request)
    others = Event.objects.filter(stream_type=kind).exclude(subject_type=kind).order_by()
    pairs = others.values_list("subject_type__model", "subject_id").distinct()
    for model, pk in pairs.iterator(CHUNK):
        yield f"{model}-{pk}", model


FORMATS = {"csv": as_csv, "xes": as_xes, "ocel2": as_ocel2}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=sorted(FORMATS), default="csv")
        parser.add_argument("--output", help="A file instead of the terminal.")

    def handle(self, *args: Any, **options: Any) -> None:
        write = FORMATS[options["format"]]
        if options["output"]:
            with open(options["output"], "w", encoding="utf-8", newline="") as out:
                write(out)
        else:
            write(getattr(self.stdout, "_out", sys.stdout))
