"""Two or more people who act at the same moment, each on a connection of their own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

WAIT = 40


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run the acts together behind a barrier; each answer is what it returned or raised."""
    barrier = threading.Barrier(len(acts))
    answers: list[Any] = [None] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            barrier.wait(WAIT)
            answers[number] = act()
        except Exception as error:  # noqa: BLE001 - the answer is looked at by the test
            answers[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT * 2)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return answers


def unlocked(together: int) -> Callable[[Any], Any]:
    """The door without its lock: so many read the row before any of them goes on."""
    meeting = threading.Barrier(together)

    def fresh(subject: Any, step: str = "") -> Any:
        row = type(subject)._base_manager.get(pk=subject.pk)
        here = threading.current_thread()
        if not getattr(here, "met", False):
            here.met = True  # type: ignore[attr-defined]
            meeting.wait(WAIT)
        return row

    return fresh
