"""Many small sets of rows that hang on one row, read by one statement.

A page about one thing asks for some thirty sets of which most are empty. Each is an ordinary
queryset, declared once by the app it belongs to; their texts are made once for a process, and the
statement reads them all. The rows come back as the model instances that the querysets would make.
Nothing here is kept beyond the instance that it was read for: who locks a row reads it anew, and
what a step has at hand is forgotten as soon as a table that it was read from is written.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from workflow.asking import ITSELF, NUMBERS, Later, Make, Marks, Text, by_keys, by_row, with_numbers
from workflow.prefetched import Prefetched
from workflow.written import Written

__all__ = ["Later", "Marks"]
M = TypeVar("M", bound=models.Model)

_sets: dict[str, dict[str, Make]] = {}
_at_hand: dict[str, dict[str, Make]] = {}
_asked_for: dict[tuple[str, str], frozenset[str]] = {}
_later: dict[tuple[str, str], Later] = {}


def hangs_on(model: str, name: str, *, steps: bool = False) -> Callable[[Make], Make]:
    """Declare a set of rows that hang on a model ("requests_app.request").

    `name` is the reverse accessor that has all of them from then on ("part_lines"), one of theirs
    ("proposals__lines"), or any other name under which `read_with` finds them. The function gets
    the `Marks` and gives the queryset, with its order and what it selects along. What `steps` ask
    for as well is at hand in them, too.
    """

    def register(make: Make) -> Make:
        _declare(_sets, model, name, make)
        return at_hand(model, name)(make) if steps else make

    return register


def at_hand(model: str, name: str) -> Callable[[Make], Make]:
    """Declare what a step of this model needs, as `hangs_on` does for its page.

    `name` may be that of a foreign key, too: then it is the row that the key names.
    """

    def register(make: Make) -> Make:
        _declare(_at_hand, model, name, make)
        return make

    return register


def asks_for(model: str, steps: Iterable[str], *sets: str, later: Later | None = None) -> None:
    """These steps of a model ask for these sets: no others are read with the lock for them. What
    one of them looks up all the same it asks the database for; any other step has every set.

    Where the keys are others `later`, by what is sent, the sets are read for those at once: but
    the rows that keys of the row name.
    """
    for step in steps:
        _asked_for[model, step] = frozenset(sets)
        if later is not None:
            _later[model, step] = later


def _declare(sets: dict[str, dict[str, Make]], model: str, name: str, make: Make) -> None:
    many = sets.setdefault(model, {})
    if name in many:
        raise ValueError(f"{name} hangs on {model} already")
    many[name] = make


def read_with(subject: models.Model, name: str, **later: Any) -> list[Any] | None:
    """The set of this name where it was read with the subject; None where it was not, or where
    it was read for another key than the subject has by now, or will have `later`."""
    found = subject.__dict__.get("_read_with", {}).get(name)
    if found is None or not _still_fits(subject, name, later):
        return None
    return found  # type: ignore[no-any-return]


def _still_fits(subject: models.Model, name: str, later: dict[str, Any] | None = None) -> bool:
    keys: dict[str, dict[str, Any]] = subject.__dict__.get("_read_for", {})
    now = later or {}
    return all(
        (now[key] if key in now else getattr(subject, key)) == value
        for key, value in keys.get(name, {}).items()
    )


def is_read(subject: models.Model) -> bool:
    """Whether it is a page's: what hangs on it was read with it, and it is not changed."""
    return "_read_with" in subject.__dict__ and "_read_for" not in subject.__dict__


def read(subject: models.Model) -> None:
    """Read everything that hangs on the subject: for a page, never for a change."""
    found = _statement(subject._meta.label_lower).run(subject)
    subject.__dict__["_read_with"] = found
    _hand_over(subject, found)


def read_for_step(subject: models.Model, step: str = "") -> None:
    """Read what this step needs with the subject, which is locked; `forget` keeps it true."""
    if has_something_at_hand(type(subject)):
        subject.__dict__["_read_with"], subject.__dict__["_read_for"] = {}, {}
        _read_sets(subject, _wanted(subject._meta.label_lower, step))


def read_for_new(subject: models.Model, step: str, sequences: Sequence[str]) -> list[int]:
    """Read what this step needs with a subject that is not written yet, so that nothing hangs on
    it, and the next number of each of these sequences: nobody waits for another's number."""
    model = subject._meta.label_lower
    nothing = _hang_on_itself(model)
    subject.__dict__["_read_with"] = {name: [] for name in nothing}
    subject.__dict__["_read_for"] = {}
    statement = _new_statement(model, _wanted(model, step) - nothing, tuple(sequences))
    rows = statement.rows(subject)
    _keep(subject, statement.sets.parts, statement.sets.made(rows))
    return next(json.loads(text) for number, text in rows if number == NUMBERS)


def _wanted(model: str, step: str) -> frozenset[str]:
    return _asked_for.get((model, step), frozenset(_at_hand[model]))


def find_for_step(
    model: type[M], step: str, find: Written, *, sent: int | None = None, **values: Any
) -> M | None:
    """Lock the row whose key `find` selects for update, and read it with what this step needs, by
    one message. None where nothing is found; for models of which something is at hand.

    `sent` is the key by which the step says what keys the row has later, if it says so.
    """
    label = model._meta.label_lower
    wanted = _wanted(label, step)
    later = _later.get((label, step)) if sent is not None else None
    own = _own_statement(model, wanted, later)
    given = [ContentType.objects.get_for_model(model).pk, *([sent] if later else [])]
    found = own.sets.made(find.before(own.statement, given, **values))
    row: M | None = next(iter(found.pop(ITSELF)), None)
    if row is not None:
        row.__dict__["_read_with"], row.__dict__["_read_for"] = {}, {}
        then = later.values(sent, found) if later is not None and sent is not None else {}
        _keep(row, own.sets.parts, found, then)
    return row


def has_something_at_hand(model: type[models.Model]) -> bool:
    """Whether steps of this model have anything at hand."""
    return model._meta.label_lower in _at_hand


def _read_sets(subject: models.Model, names: frozenset[str]) -> None:
    statement = _step_statement(subject._meta.label_lower, names)
    _keep(subject, statement.sets.parts, statement.run(subject))


def _keep(
    subject: models.Model,
    parts: Iterable[Any],
    found: dict[str, list[Any]],
    later: dict[str, Any] | None = None,
) -> None:
    for part in parts:
        then = {} if _one(type(subject), part.name) else later or {}
        subject.__dict__["_read_for"][part.name] = {
            key: then[key] if key in then else getattr(subject, key) for key in part.keys
        }
    subject.__dict__["_read_with"].update(found)
    _hand_over(subject, found)


def keep_fitting(subject: models.Model) -> None:
    """Read anew what a step needs where the subject has other keys by now: another group. The rows
    that a key names are left to whoever looks."""
    sets = (name for name in subject.__dict__.get("_read_for", {}) if not _one(type(subject), name))
    other = frozenset(name for name in sets if not _still_fits(subject, name))
    if other:
        _read_sets(subject, other)


def has_at_hand(subject: models.Model, row: models.Model) -> bool:
    """Whether this very row was read with the lock of the subject, and is as it was then."""
    if "_read_for" not in subject.__dict__:
        return False
    return any(row is one for rows in subject.__dict__["_read_with"].values() for one in rows)


def forget(subject: models.Model, table: str) -> None:
    """A table is about to be written: what was read of it does not count any more, and is asked
    for anew by whoever wants it."""
    if "_read_for" not in subject.__dict__ or table == subject._meta.db_table:
        return
    for name in _read_from(subject._meta.label_lower).get(table, ()):
        _drop(subject, name)


def forget_all(subject: models.Model) -> None:
    """Nothing that was read for a step counts any more, whoever has it still."""
    if "_read_for" in subject.__dict__:
        for kept in ("_read_with", "_read_for", "_prefetched_objects_cache"):
            subject.__dict__.pop(kept, None)
        subject._state.fields_cache.clear()


def put(subject: models.Model, name: str, rows: list[Any]) -> None:
    """A set as it is by now, from whoever has just written it; where steps have it at hand."""
    if "_read_for" not in subject.__dict__:
        return
    subject.__dict__["_read_with"][name] = rows
    if _relation(type(subject), name) is not None:
        give([subject], name, rows)


def _drop(subject: models.Model, name: str) -> None:
    """Forget a set, and what was read of its rows."""
    for kept in [k for k in subject.__dict__["_read_with"] if k.partition("__")[0] == name]:
        del subject.__dict__["_read_with"][kept]
    relation = _relation(type(subject), name)
    if relation is not None:
        prefetched = subject.__dict__.get("_prefetched_objects_cache", {})
        prefetched.pop(relation.remote_field.cache_name, None)
    elif (one := _one(type(subject), name)) is not None and one.is_cached(subject):
        one.delete_cached_value(subject)


def _hand_over(subject: models.Model, found: dict[str, list[Any]]) -> None:
    """Where the program looks for rows, there they are."""
    for name, rows in found.items():
        owner, _, accessor = name.rpartition("__")
        if owner:
            give(found[owner] if owner in found else [getattr(subject, owner)], accessor, rows)
        elif (one := _one(type(subject), name)) is not None:
            if rows:
                one.set_cached_value(subject, rows[0])
        elif _relation(type(subject), name) is not None:
            give([subject], name, rows)


@cache
def _one(model: type[models.Model], name: str) -> Any:
    """The foreign key, or the one-to-one seen from its other side, of this name; None for none."""
    found = getattr(model, name, None)
    return getattr(found, "related", None) or (
        found.field if isinstance(found, ForwardManyToOneDescriptor) else None
    )


@cache
def _relation(model: type[models.Model], accessor: str) -> Any:
    """The foreign key behind a reverse accessor; None where it is none."""
    found = getattr(getattr(model, accessor, None), "rel", None)
    return found.field if isinstance(found, models.ManyToOneRel) else None


def give(owners: Iterable[models.Model], accessor: str, rows: list[Any]) -> None:
    """Hand each owner its rows as if they had been prefetched."""
    for owner in owners:
        field = _relation(type(owner), accessor)
        own = [row for row in rows if getattr(row, field.attname) == owner.pk]
        for row in own:
            field.set_cached_value(row, owner)
        prefetched = owner.__dict__.get("_prefetched_objects_cache")
        if not isinstance(prefetched, Prefetched):
            prefetched = Prefetched(prefetched or {})
            owner.__dict__["_prefetched_objects_cache"] = prefetched
        prefetched.put(field.remote_field.cache_name, owner, accessor, own)


@cache
def _statement(model: str) -> Text:
    """The text that reads every set of a model; made when the first page needs it."""
    return by_keys(_sets.get(model, {}), f"together_{model.replace('.', '_')}")


@cache
def _step_statement(model: str, names: frozenset[str]) -> Text:
    """The text that reads some of what steps of a model need; made when it is needed first."""
    return by_keys(_some(model, names))


@cache
def _new_statement(model: str, names: frozenset[str], sequences: tuple[str, ...]) -> Text:
    return with_numbers(_step_statement(model, names), sequences)


@cache
def _own_statement(model: type[models.Model], names: frozenset[str], later: Later | None) -> Text:
    sets = _some(model._meta.label_lower, names)
    changing = {name for name in sets if _one(model, name) is None}
    return by_row(model, sets, changing, later)


def _some(model: str, names: frozenset[str]) -> dict[str, Make]:
    return {name: make for name, make in _at_hand[model].items() if name in names}


@cache
def _every_step(model: str) -> list[Any]:
    return _step_statement(model, frozenset(_at_hand[model])).sets.parts


@cache
def _read_from(model: str) -> dict[str, set[str]]:
    """By table: the sets that are read from it."""
    found: dict[str, set[str]] = {}
    for part in _every_step(model):
        for table in part.tables:
            found.setdefault(table, set()).add(part.name.partition("__")[0])
    return found


@cache
def _hang_on_itself(model: str) -> frozenset[str]:
    """The sets of rows that name the thing itself, not what it belongs to."""
    return frozenset(part.name for part in _every_step(model) if part.of_itself)
