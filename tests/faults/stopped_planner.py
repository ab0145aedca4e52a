"""The worker's program with one hook: in the middle of a solve it stands still.

It writes its pid into STOP_FILE and waits there, so that a test can kill it at exactly this moment.
"""

import os
import time
from pathlib import Path
from typing import Any

from config.celery import app
from fulfillment import placement

__all__ = ["app"]


def _stand_still(problem: placement.Problem, **options: Any) -> placement.Plan:
    mark = Path(os.environ["STOP_FILE"])
    mark.with_suffix(".new").write_text(str(os.getpid()))
    mark.with_suffix(".new").rename(mark)
    time.sleep(60)
    raise AssertionError("nobody killed it")


placement.plan = _stand_still
