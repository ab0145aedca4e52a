"""The processes that write side by side, each with a program and a connection of its own.

They are started fresh: a forked one would inherit the sockets of every open session, and closing
one of those there ends it for everybody.
"""

import gc
import multiprocessing
import pickle
import queue
from collections.abc import Callable
from typing import Any

import django
from django.db import connection

PROCESSES = 2


def run(writers: list[Any], tell: Callable[[int], None]) -> bool:
    """Run a writer each and tell of every batch that is written; False where one of them failed.

    `writers` have `write(tell)`, whole in themselves: they are pickled.
    """
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    database = str(connection.settings_dict["NAME"])
    parts = [
        context.Process(target=_part, args=(database, pickle.dumps(w), told), daemon=True)
        for w in writers
    ]
    for part in parts:
        part.start()
    while any(part.is_alive() for part in parts) or not told.empty():
        try:
            tell(told.get(timeout=0.5))
        except queue.Empty:
            continue
    for part in parts:
        part.join()
    return not any(part.exitcode for part in parts)


def _part(database: str, pickled: bytes, told: Any) -> None:
    django.setup()
    connection.settings_dict["NAME"] = database  # of the caller, which may be a test's
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    gc.disable()  # rows are texts in lists: nothing points in circles
    pickle.loads(pickled).write(told.put)  # noqa: S301 - what our own caller handed over
    connection.close()
