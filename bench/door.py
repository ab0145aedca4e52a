"""Steps through the door beside the same SQL played bare, and many who take next: `ARGS=door`.

In one process, without HTTP: in a copy of the database so many steps are taken, in another exactly
their statements are played through psycopg2, so that what lies between the two is the program's
own. Taking next: CPU of the program and of its database sessions for each take, of one queue, by
one client and by many at once.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench._report import keep, machine, put
from bench._stand import FOLDER, Stand, say, stand
from config.servers import ROOT

SIZE, CLIENTS = 1000, 32
STEPS = ("assign", "change_priority", "hold", "resume", "fulfill")
GOAL_STEPS, GOAL_TAKES = 0.35, 1.5
Figures = dict[str, Any]


def main(words: list[str]) -> None:
    """Measure, print the figures, write them where asked."""
    parser = argparse.ArgumentParser(prog="bench door", description=__doc__)
    parser.add_argument("--requests", type=int, default=40, help="each goes through all steps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--takes", type=int, default=160)
    parser.add_argument("--json", type=Path, default=FOLDER / "door.json")
    parser.add_argument("--write", type=Path, default=FOLDER / "door.md")
    given = parser.parse_args(words)
    with stand() as made:
        made.template(SIZE)
        rounds = [_round(made, given, number) for number in range(given.rounds)]
        version = made.ask("SHOW server_version")[0][0].split()[0]
        results = {
            "machine": machine(version, made.ask("SHOW fsync")[0][0]),
            "rounds": rounds,
            "load": round(os.getloadavg()[1], 1),  # of the last five minutes: its own, and others'
        }
    keep(given.json, results)
    text = table(results)
    put(given.write, "door", text)
    sys.stdout.write(text + "\n")
    say(f"written: {given.write}")


def _round(made: Stand, given: Any, number: int) -> Figures:
    """The steps taken in one copy; their statements, written down once, played in another."""
    script = made.folder / "door_statements.json"
    if number == 0:
        _part(made, "write_down", given.requests, script)
    door = _part(made, "steps", given.requests)
    bare = _part(made, "bare", script)
    say(f"round {number + 1}: {door['seconds']:.2f} s through the door, {bare['seconds']:.2f} bare")
    return {
        "steps": door["steps"],
        "door_seconds": door["seconds"],
        "bare_seconds": bare["seconds"],
        "statements": bare["statements"],
        "alone": _part(made, "takes", given.takes, 1),
        "many": _part(made, "takes", given.takes, CLIENTS),
    }


def _part(made: Stand, name: str, *words: Any) -> Figures:
    """One part on a fresh copy, in a process of its own: Django reads its database once."""
    copy = made.copy(SIZE)
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "bench.door", name, *map(str, words)],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
            env=made.of(copy, DJANGO_SETTINGS_MODULE="config.settings"),
        )  # fmt: skip
    finally:
        made.drop(copy)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(results: Figures) -> str:
    """The figures as Markdown."""
    m, rounds = results["machine"], results["rounds"]
    alone, many = ([one[name] for one in rounds] for name in ("alone", "many"))
    ratio_of_takes = statistics.median(
        b["cpu_ms"] / a["cpu_ms"] for a, b in zip(alone, many, strict=True)
    )
    taken = [*alone, *many]
    door = statistics.median(one["steps"] / one["door_seconds"] for one in rounds)
    bare = statistics.median(one["steps"] / one["bare_seconds"] for one in rounds)
    ratio = statistics.median(one["bare_seconds"] / one["door_seconds"] for one in rounds)
    rows = [
        ("steps a second through the door, one process", f"{door:.0f}"),
        ("the same SQL played bare through psycopg2", f"{bare:.0f}"),
        (f"ratio (goal: {GOAL_STEPS} or more)", f"{ratio:.2f}"),
        ("statements of a step", f"{rounds[0]['statements'] / rounds[0]['steps']:.1f}"),
        ("take next, 1 client: CPU ms of a take", _cpu(alone)),
        (f"take next, {many[0]['clients']} clients: CPU ms of a take", _cpu(many)),
        (f"ratio (goal: {GOAL_TAKES} or less)", f"{ratio_of_takes:.2f}"),
        ("taken twice", f"{sum(t['twice'] for t in taken)} of {sum(t['takes'] for t in taken)}"),
    ]
    return (
        f"{m['date']}; {m['cores']} cores (load {results['load']}), "
        f"PostgreSQL {m['postgres']} (fsync {m['fsync']}), "
        f"{len(rounds)} rounds of {rounds[0]['steps']} steps ({', '.join(STEPS)}), medians. CPU of "
        "a take is the program's and its database sessions'.\n\n"
        "| | |\n| --- | --: |\n" + "\n".join(f"| {what} | {value} |" for what, value in rows)
    )


def _cpu(takes: list[Figures]) -> str:
    return f"{statistics.median(one['cpu_ms'] for one in takes):.1f}"


# In a process of its own


def _queue(count: int) -> list[Any]:
    """So many requests as they wait in one group's pending queue."""
    from fulfillment.models import ProviderGroup
    from requests_app.models import Request
    from requests_app.states import S

    group = ProviderGroup.objects.filter(is_active=True).order_by("pk")[0]
    plain = Request.objects.open().filter(proposed_services=None).order_by("pk")
    rows = Request.objects.filter(pk__in=list(plain.values_list("pk", flat=True)[:count]))
    rows.update(state=S.PENDING, provider_group=group, held_since=None, kind="assistance")
    return list(rows.order_by("pk"))


def _people(count: int) -> list[Any]:
    """So many members of that group; the first leads it and represents everybody."""
    from fulfillment.models import Membership, ProviderGroup
    from workflow.models import User

    group = ProviderGroup.objects.filter(is_active=True).order_by("pk")[0]
    made = [User.objects.create(username=f"bench-{n}", email="") for n in range(count)]
    Membership.objects.bulk_create(Membership(group=group, user=one) for one in made)
    return made


def _acts(count: int) -> Iterator[Callable[[], Any]]:
    """One step after the other: each request goes through all of them."""
    from workflow import clock
    from workflow.door import advance
    from workflow.models import User

    (person,) = _people(1)
    User.objects.filter(pk=person.pk).update(is_superuser=True)
    person.refresh_from_db()
    later = clock.today().replace(year=clock.today().year + 1, day=1)
    facts: dict[str, Figures] = {
        "assign": {"specialist": person},
        "change_priority": {"impact": 1, "urgency": 2, "priority": 1},
        "hold": {"reason": "Why.", "hold_reason": "Why.", "review_on": later,
                 "waiting_for": "vendor"},
        "resume": {},
        "fulfill": {"resolution": "Done."},
    }  # fmt: skip
    for row in _queue(count):
        for step in STEPS:
            yield lambda row=row, step=step: advance(row, step, by=person, **facts[step])  # type: ignore[misc]


def steps(count: str) -> Figures:
    """Seconds of the steps; those of the first requests warm up what a process reads once."""
    acts = list(_acts(int(count)))
    warm = len(STEPS)
    for act in acts[:warm]:
        act()
    began = time.perf_counter()
    for act in acts[warm:]:
        act()
    return {"steps": len(acts) - warm, "seconds": time.perf_counter() - began}


def write_down(count: str, script: str) -> Figures:
    """The statements of the same steps as the server gets them, a list for each step."""
    from django.db import connection

    texts: list[str] = []

    def write(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        texts.append(context["cursor"].cursor.mogrify(sql, params).decode())
        return execute(sql, params, many, context)

    acts = list(_acts(int(count)))
    groups: list[list[str]] = []
    with connection.execute_wrapper(write):
        for act in acts:
            act()
            groups.append(texts[:])
            texts.clear()
    Path(script).write_text(json.dumps(groups))
    return {"statements": sum(map(len, groups))}


def bare(script: str) -> Figures:
    """Seconds of the same statements, a transaction for each step, with nothing around them."""
    import psycopg2
    from django.conf import settings

    groups = json.loads(Path(script).read_text())
    list(_acts(len(groups) // len(STEPS)))  # the rows as the steps found them
    own = settings.DATABASES["default"]
    link = psycopg2.connect(
        dbname=own["NAME"], user=own["USER"], password=own["PASSWORD"], host=own["HOST"],
        port=own["PORT"] or None, options=own["OPTIONS"]["options"],
    )  # fmt: skip
    warm = len(STEPS)
    with contextlib.closing(link):
        cursor = link.cursor()
        _play(link, cursor, groups[:warm])
        began = time.perf_counter()
        _play(link, cursor, groups[warm:])
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "statements": sum(map(len, groups[warm:]))}


def _play(link: Any, cursor: Any, groups: list[list[str]]) -> None:
    for group in groups:
        for text in group:
            cursor.execute(text)
            if cursor.description is not None:
                cursor.fetchall()
        link.commit()


def takes(count: str, clients: str) -> Figures:
    """So many takes of one queue by so many at once: CPU of each, and what was taken twice."""
    import psutil
    from django.db import connection

    from fulfillment.actions.queue import take_next

    people = _people(int(clients))
    queue = _queue(int(count) + len(people))
    group = queue[0].provider_group
    got: list[int] = []
    sessions: list[int] = []
    lock = threading.Lock()
    ready, done = threading.Barrier(len(people) + 1), threading.Barrier(len(people) + 1)
    closed = threading.Barrier(len(people) + 1)

    def work(person: Any) -> None:
        mine = []
        take_next(group, by=person)  # warm: what a session reads once is read
        with lock:
            sessions.append(connection.connection.info.backend_pid)
        ready.wait()
        for _ in range(int(count) // len(people)):
            taken = take_next(group, by=person)
            mine += [taken.pk] if taken is not None else []
        with lock:
            got.extend(mine)
        done.wait()
        closed.wait()
        connection.close()

    def spent() -> float:
        own = [psutil.Process(pid).cpu_times() for pid in sessions]
        return time.process_time() + sum(one.user + one.system for one in own)

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    ready.wait()
    before = spent()
    done.wait()
    cpu = spent() - before
    closed.wait()
    for thread in threads:
        thread.join()
    return {
        "clients": len(people),
        "takes": len(got),
        "twice": len(got) - len(set(got)),
        "cpu_ms": cpu * 1000 / max(1, len(got)),
    }


PARTS: dict[str, Callable[..., Figures]] = {
    "steps": steps,
    "write_down": write_down,
    "bare": bare,
    "takes": takes,
}

if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(json.dumps(PARTS[sys.argv[1]](*sys.argv[2:])) + "\n")
