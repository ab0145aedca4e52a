"""How good the forecast would have been: a history replayed day by day, without peeking.

Without --log it is the database's own history. A log is CSV (columns case, activity, timestamp,
and if there are any group and priority) or XES, also packed as .gz.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fulfillment import event_log, forecast_history
from fulfillment.replay import Replay, Score, replay, scores

MOST_GROUPS = 40


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--log", help="A CSV or XES file, also .gz.")
        parser.add_argument("--days", type=int, default=60, help="How many days are replayed.")
        parser.add_argument(
            "--cases", type=int, default=150, help="How many open cases of a day are forecast."
        )
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, log: str | None, **options: Any) -> None:
        if options["days"] < 1 or options["cases"] < 1:
            raise CommandError("Days and cases are at least 1.")
        try:
            found = event_log.read(log) if log else forecast_history.as_log()
        except event_log.BadLog as bad:
            raise CommandError(str(bad)) from bad
        self.stdout.write(
            f"{log or 'The database'}: {found.cases:,} cases, {found.events:,} events, "
            f"{len(found.groups)} group{'' if len(found.groups) == 1 else 's'}."
        )
        for note in found.notes:
            self.stdout.write(note)
        made = replay(
            found.history,
            days=options["days"],
            cases=options["cases"],
            seed=options["seed"],
        )
        if not made.told:
            raise CommandError(
                "Too little history: no forecast could be made. At least a dozen finished cases "
                "must lie before a day on which others are open."
            )
        self._tell(made, found.groups, options["cases"])

    def _tell(self, made: Replay, groups: list[str], cases: int) -> None:
        days = len(made.days)
        self.stdout.write(
            f"Replayed on {days} days, at most {cases} open cases each: {len(made.told):,} "
            f"forecasts of {len({t.case for t in made.told}):,} cases"
            + (f"; {made.silent:,} times too little history." if made.silent else ".")
        )
        self.stdout.write(
            "n: forecasts whose date lies within the history; covered: done by the date said; "
            "width: median days ahead of the date; loss: mean pinball loss in days."
        )
        self.stdout.write(f"\n{'':24}{'50 % range':^36}{'85 % range':^36}")
        columns = f"{'n':>9}{'covered':>9}{'width':>9}{'loss':>9}"
        self.stdout.write(f"{'':24}{columns}{columns}")
        everything = scores(made)
        self._row("all groups", everything["likely"], everything["certain"])
        self._row("baseline", everything["naive_likely"], everything["naive_certain"])
        for number in sorted({t.group for t in made.told})[:MOST_GROUPS]:
            one = scores(made, number)
            self._row(groups[number], one["likely"], one["certain"])
            self._row("  baseline", one["naive_likely"], one["naive_certain"])
        self.stdout.write("Baseline: the quantiles of whole past durations, from the beginning.")

    def _row(self, name: str, *both: Score) -> None:
        cells = "".join(f"{s.number:>9,}{s.hit:>8.1%} {s.width:>9.1f}{s.loss:>9.2f}" for s in both)
        self.stdout.write(f"{name[:23]:24}{cells}")
