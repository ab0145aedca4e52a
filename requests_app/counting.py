"""What waits in the queues of groups, added up by state (F1, F3): see `glance` for the counting."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from requests_app.glance import open_work, own_open_work

if TYPE_CHECKING:
    from workflow.models import User


@dataclass
class Waiting:
    """What waits: how many, past their due moment, at risk, and since when the oldest one is."""

    number: int = 0
    late: int = 0
    risk: int = 0
    oldest: datetime | None = None

    def __add__(self, other: "Waiting") -> "Waiting":
        found = [moment for moment in (self.oldest, other.oldest) if moment]
        return Waiting(
            self.number + other.number,
            self.late + other.late,
            self.risk + other.risk,
            min(found, default=None),
        )


class Counts(dict[tuple[int, str], Waiting]):
    """By group and state."""

    def of(self, group: int, *states: str) -> Waiting:
        """All of these states together."""
        return sum((self.get((group, str(s)), Waiting()) for s in states), Waiting())


def waiting_in(groups: Iterable[int], user: "User") -> Counts:
    """The open requests of these groups by state, a thousand and one of each at most: one query,
    or none where they are the user's own and the page counted them already."""
    groups = set(groups)
    found = own_open_work(user) if groups <= user.group_ids else open_work(sorted(groups))
    return Counts(
        {
            (group, state): Waiting(row.number, row.late[0], row.risk[0], row.oldest)
            for group, states in found.items()
            for state, row in states.items()
        }
    )
