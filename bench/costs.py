"""What a request costs on disk, a transition in statements and CPU, and what archiving saves.

`make bench ARGS="costs --size 20000"`: works on a copy of the database of that size. Disk is
counted after VACUUM FULL, so that only what is needed counts.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench._report import put
from bench._stand import FOLDER, Stand, desk_of, say, stand
from config.servers import ROOT

TABLES = """
SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname NOT LIKE 'floor%%'
ORDER BY pg_total_relation_size(c.oid) DESC
"""
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")  # WITH: what the door writes
STATEMENTS = (*WRITES, "SELECT", "EXECUTE")


def main(words: list[str]) -> None:
    """Measure, print, write where asked."""
    parser = argparse.ArgumentParser(prog="bench costs", description=__doc__)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=30, help="how often each step is taken")
    parser.add_argument("--older-than", type=int, default=730, metavar="DAYS")
    parser.add_argument("--write", type=Path, default=FOLDER / "costs.md")
    given = parser.parse_args(words)
    with stand() as made:
        made.template(given.size)
        name = made.copy(given.size)
        try:
            text = "\n\n".join(
                [_steps(made, name, given.times), _disk(made, name, given.older_than)]
            )
        finally:
            made.drop(name)
    put(given.write, "costs", text)
    sys.stdout.write(text + "\n")
    say(f"written: {given.write}")


def _steps(made: Stand, name: str, times: int) -> str:
    desk_of(made, name)
    done = subprocess.run(  # noqa: S603 - a fresh process: Django reads its database once
        [sys.executable, "-m", "bench.costs", str(times)],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        env=made.of(name, DJANGO_SETTINGS_MODULE="config.settings"),
    )  # fmt: skip
    return done.stdout.strip()


def _disk(made: Stand, name: str, days: int) -> str:
    """Bytes per request by table, before and after archiving what was closed for so long."""
    made.ask("DROP TABLE floor_child, floor_audit, floor_outbox, floor_row", name=name)
    before, count = _sizes(made, name)
    say("archiving ...")
    began = time.monotonic()
    made.manage(name, "archive", "--older-than", str(days))
    took = time.monotonic() - began
    after, _ = _sizes(made, name)
    gone = "SELECT count(*) FROM requests_app_request WHERE archived_at IS NOT NULL"
    archived = int(made.ask(gone, name=name)[0][0])
    lines = ["| table | bytes a request | of it indexes | after archiving |",
             "| --- | --: | --: | --: |"]  # fmt: skip
    names = sorted(before, key=lambda t: -sum(before[t]))
    shown = [t for t in names if sum(before[t]) / count >= 100 or sum(after[t]) / count >= 100]
    for table in shown:
        data, indexes = before[table]
        lines.append(f"| `{table}` | {(data + indexes) / count:,.0f} | {indexes / count:,.0f} | "
                     f"{sum(after[table]) / count:,.0f} |")  # fmt: skip
    whole = [sum(map(sum, sizes.values())) / count for sizes in (before, after)]
    indexed = sum(indexes for _, indexes in before.values()) / count
    lines.append(f"| all tables | {whole[0]:,.0f} | {indexed:,.0f} | {whole[1]:,.0f} |")
    each = took / archived * 1000 if archived else 0.0
    saved = (whole[0] - whole[1]) * count / archived if archived else 0.0
    lines += [
        "",
        f"{count:,} requests, {archived:,} of them archived (closed for {days} days or more) in "
        f"{took:.0f} s, {each:.1f} ms each; {saved:,.0f} bytes saved for each archived request.",
    ]
    return "\n".join(lines)


def _sizes(made: Stand, name: str) -> tuple[dict[str, tuple[int, int]], int]:
    made.ask("VACUUM (FULL, ANALYZE)", name=name)
    rows = made.ask(TABLES, name=name)
    count = int(made.ask("SELECT count(*) FROM requests_app_request", name=name)[0][0])
    return {table: (int(data), int(indexes)) for table, data, indexes in rows}, count


class Steps:
    """The life of an assistance request, taken through the door in this process."""

    def __init__(self) -> None:
        from asd.models import Agency
        from bench._people import GROUP, PEOPLE, covered
        from fulfillment.models import ProviderGroup
        from requests_app.triage import CHECKLIST
        from workflow.models import User

        self.people = {p.username: p for p in User.objects.filter(username__in=PEOPLE)}
        self.group = ProviderGroup.objects.get(slug=GROUP)
        found = covered(self.people, self.group)
        self.agency = Agency.objects.get(pk=found.agreement.agency_id)
        self.contact: Any = self.agency.contacts.active().first()
        self.facts: dict[str, Any] = {key: "yes" for key, _ in CHECKLIST}
        self.facts |= {"service": found.service_id, "service_known": "yes", "decision": ""}
        self.costs: dict[str, list[tuple[float, list[str]]]] = {}

    def life(self) -> None:
        """One request from intake to closed, each step measured."""
        from requests_app.intake import take_in
        from workflow.registry import perform

        rep, specialist = self.people["rep"], self.people["specialist"]
        request = self._measured("take in", lambda: take_in(
            by=rep, agency=self.agency, contact=self.contact, title="One more desk",
            description="Measured."))  # fmt: skip
        for label, name, who, facts in (
            ("triage to pending", "triage", rep, self.facts),
            ("take", "take", specialist, {}),
            ("update for the customer", "comment", specialist, {"text": "Soon.", "public": "yes"}),
            ("fulfill and close", "fulfill", specialist, {"resolution": "Done."}),
        ):
            self._measured(label, lambda n=name, w=who, f=facts: perform(
                request, n, by=w, data=_typed(f)))  # fmt: skip

    def _measured(self, label: str, work: Any) -> Any:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as seen:
            began = time.process_time()
            made = work()
            spent = time.process_time() - began
        kinds = [query["sql"].split(" ", 1)[0].upper() for query in seen]
        self.costs.setdefault(label, []).append((spent, kinds))
        return made

    def told(self) -> str:
        out = ["| step | CPU ms | statements | of them written |", "| --- | --: | --: | --: |"]
        for label, many in self.costs.items():
            ms = statistics.median(spent for spent, _ in many) * 1000
            kinds = many[-1][1]
            real = [k for k in kinds if k in STATEMENTS]
            written = [k for k in real if k in WRITES]
            out.append(f"| {label} | {ms:.1f} | {len(real)} | {len(written)} |")
        return "\n".join(out)


def _typed(facts: dict[str, Any]) -> Any:
    from django.utils.datastructures import MultiValueDict

    return MultiValueDict({k: v if isinstance(v, list) else [v] for k, v in facts.items()})


if __name__ == "__main__":
    import django

    django.setup()
    steps = Steps()
    for _ in range(int(sys.argv[1]) + 2):
        steps.life()
    for many in steps.costs.values():
        del many[:2]
    sys.stdout.write(steps.told() + "\n")
