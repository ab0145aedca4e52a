"""The program with one hook: after COMMIT and before the broker is told, a worker stands still.

It writes its pid into STOP_FILE and waits there, so that a test can kill it at exactly this moment.
"""

import os
import time
from pathlib import Path

from config.wsgi import application
from notifications import outbox

__all__ = ["application"]


def _stand_still(notice_ids: list[str]) -> None:
    mark = Path(os.environ["STOP_FILE"])
    mark.with_suffix(".new").write_text(f"{os.getpid()} {' '.join(notice_ids)}")
    mark.with_suffix(".new").rename(mark)
    time.sleep(60)


outbox.nudge = _stand_still
