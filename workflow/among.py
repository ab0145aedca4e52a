"""What a field lets choose from: a question about the subject whose text is written once.

A page draws one form or two; whoever describes them all asks for every list of theirs. Said as a
function of the subject's keys, a list is an ordinary queryset for the form that needs one, and a
part of one statement where all are wanted. A key that the subject does not have counts as 0, which
no row has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet

from workflow.statements import Many, Statement, many
from workflow.together import Marks

MOST = 200  # of a list that is described
PLANNED = 100  # sets of lists whose plan a connection keeps; any others are planned each time
_numbers = count(1)
Choice = tuple[Any, str]  # its value, and what it is called
Ask = Callable[[Any], QuerySet[Any, Any]]


@dataclass(frozen=True)
class Among:
    """A list to choose from: `Among(lambda about: Contact.objects.filter(agency=about.agency_id))`.

    `ask` may use `pk`, `content_type` and any field of a key by its name (a field of a small number
    as `Value(about.pass_number)`), and nothing else that differs from one subject, person or day to
    the next.
    """

    ask: Ask

    def of(self, subject: Any) -> QuerySet[Any, Any]:
        """The list as a queryset."""
        return self.ask(_Keys(subject))

    def rows(self, subject: Any, most: int) -> list[Any]:
        """The first rows of it."""
        return _rows(self.ask, most).read(subject)[0]


class _Keys:
    """The keys of a subject, none of which is missing."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject

    def __getattr__(self, name: str) -> int:
        if name == "content_type":
            return ContentType.objects.get_for_model(self._subject).pk
        return getattr(self._subject, name) or 0


def choices(asked: list[tuple[Among, str]], subject: Any) -> list[list[Choice]]:
    """The first choices of several lists by one statement, each with its key column."""
    if not asked:
        return []
    lists = tuple(dict.fromkeys((among.ask, key) for among, key in asked))
    written = _called(lists)
    read = zip(lists, written.read(subject), written.models, strict=True)
    found = {one: as_choices(rows, model, one[1]) for one, rows, model in read}
    return [found[among.ask, key] for among, key in asked]


@dataclass(frozen=True)
class _Written:
    """Several lists as one statement."""

    sets: Many
    models: list[Any]
    keys: list[str]
    statement: Statement

    def read(self, subject: Any) -> list[list[Any]]:
        """The rows of each list."""
        about = _Keys(subject)
        found = self.sets.made(self.statement.run([getattr(about, key) for key in self.keys]))
        return [found.get(str(n), []) for n in range(len(self.models))]

    @classmethod
    def of(cls, lists: list[Ask], name: str = "") -> "_Written":
        names: dict[str, int] = {}
        asked = [ask(Marks(names)) for ask in lists]
        found = many({str(n): rows for n, rows in enumerate(asked)})
        if len(found.parts) < len(lists):
            raise ValueError("Django takes a list to choose from to be empty for every subject.")
        statement = Statement(found.sql, found.params, tuple(names.values()), name)
        return cls(found, [rows.model for rows in asked], list(names), statement)


@lru_cache(maxsize=100)
def _rows(ask: Ask, most: int) -> _Written:
    return _Written.of([lambda about: ask(about)[:most]])


@lru_cache(maxsize=500)
def _called(asked: tuple[tuple[Ask, str], ...]) -> _Written:
    """Which lists are wanted hangs on who asks and on the state: a text for each such set. There
    are some dozens, so the database may keep its plan for each."""

    def named(ask: Ask, key: str) -> Ask:
        return lambda about: called(ask(about), key)[:MOST]

    number = next(_numbers)
    return _Written.of([named(*one) for one in asked], f"among_{number}" * (number <= PLANNED))


def called(rows: QuerySet[Any, Any], key: str) -> QuerySet[Any, Any]:
    """The rows with no more than they are called by, where their model says what that is."""
    names = getattr(rows.model, "called_by", ())
    return rows.select_related(None).values_list(key, *names) if names else rows


def as_choices(rows: list[Any], model: Any, key: str) -> list[Choice]:
    """Rows of `called` as choices."""
    if getattr(model, "called_by", ()):
        return [(value, _name(model, *words)) for value, *words in rows]
    return [(getattr(row, key), str(row)) for row in rows]


@lru_cache(maxsize=5000)
def _name(model: Any, *words: Any) -> str:
    """What a row is called that has these words in the columns of `called_by`."""
    return str(model(**dict(zip(model.called_by, words, strict=True))))
