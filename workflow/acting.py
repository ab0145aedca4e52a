"""What one act of somebody holds and owes: the rows it has locked, and what it is about to write.

What the door writes waits until anybody asks the database anything, or until the act ends: so a
step that moves a request, its event and its notices are one statement.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models, transaction

from workflow import together
from workflow.models import Machine
from workflow.writing import Change, write
from workflow.written import Written

M = TypeVar("M", bound=Machine)
# a statement that writes, perhaps behind one that says in whose name
WRITES = re.compile(r'(?:^|; )(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)"?')


class Act:
    """What one act of somebody holds until its transaction ends: the rows locked, by model and key.

    Whoever asks for one of them again gets the same, with what was read with it.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[type[models.Model], Any], Machine] = {}
        self.owed: list[Change] = []

    def before(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Before each statement: what is owed is written, and what was read of a table that this
        one writes counts no more."""
        if sql.startswith("ROLLBACK"):
            self.let_go()
        else:
            self.pay()
        written = WRITES.search(sql)
        if written is not None:
            self.forget(written[1])
        return execute(sql, params, many, context)

    def owe(self, row: models.Model, names: Iterable[str] | None) -> None:
        """This row is to be written as it will be by then."""
        before = next((change for change in self.owed if change.row is row), None)
        if before is None:
            if any(self._waits_for(change, row, names) for change in self.owed):
                self.pay()
            before = Change(row, None if names is None else ())
            self.owed.append(before)
        if before.names is not None:
            before.names = tuple(sorted({*before.names, *(names or ())}))
        self.forget(row._meta.db_table)

    @staticmethod
    def _waits_for(change: Change, row: models.Model, names: Iterable[str] | None) -> bool:
        """Of one table one row is changed at a time, and one row by one instance of it."""
        both_change = change.names is not None and names is not None
        return change.row == row or (both_change and type(change.row) is type(row))

    def pay(self) -> None:
        """Write what is owed."""
        owed, self.owed = self.owed, []
        if owed:
            write(owed)

    def forget(self, table: str) -> None:
        for row in self.rows.values():
            together.forget(row, table)

    def let_go(self) -> None:
        """Nobody watches any more what is written, or a part was undone."""
        for row in self.rows.values():
            together.forget_all(row)
        self.rows.clear()
        self.owed.clear()


_act: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def act() -> Iterator[None]:
    """The transaction of one act: all of it or nothing. Within another it is a part of that one.

    What goes wrong in a part ends the whole, unless the caller wraps it in an `atomic` of its own;
    then the rows are read anew.
    """
    outer = _act.get()
    if outer is not None:
        try:
            with transaction.atomic(savepoint=False):
                yield
        except BaseException:
            outer.let_go()
            raise
        return
    own = Act()
    token = _act.set(own)
    try:
        with transaction.atomic(), connection.execute_wrapper(own.before):
            yield
            own.pay()
    finally:
        own.let_go()
        _act.reset(token)


@contextmanager
def gathered() -> Iterator[None]:
    """What is owed in this block outside an act goes out together at its end, or before anybody
    asks the database anything. In an act it waits as ever."""
    if _act.get() is not None:
        yield
        return
    own = Act()
    token = _act.set(own)
    try:
        with connection.execute_wrapper(own.before):
            yield
            own.pay()
    finally:
        own.let_go()
        _act.reset(token)


def owe(row: models.Model, names: Iterable[str] | None = None) -> None:
    """In an act: write this row, a new one or of one that is locked these columns, before anybody
    asks the database anything. Nobody is to need the key of a new row before that."""
    now = _act.get()
    if now is None:
        write([Change(row, None if names is None else tuple(names))])
    else:
        now.owe(row, names)


def pay() -> None:
    """Write at once what is owed: for whoever needs the key of a new row."""
    now = _act.get()
    if now is not None:
        now.pay()


def lock(subject: M, step: str = "") -> M:
    """The fresh row, locked; the request it belongs to is locked first, so nobody deadlocks.

    In an act the request is locked once, and what this step needs (where none is named: any step)
    is read with it: rows of that set are as fresh as its lock.
    """
    root = subject.stream()
    top: Machine | None = held(root)
    if top is None:
        top = _top(root, step)
    if root is subject:
        return top  # type: ignore[return-value]
    if together.has_at_hand(top, subject):
        return subject
    row = _locked(subject)
    for key in row._meta.concrete_fields:
        if key.related_model is type(top) and getattr(row, key.attname) == top.pk:
            key.set_cached_value(row, top)  # type: ignore[attr-defined]
    return row


def find_and_lock(
    model: type[M], find: Written, step: str = "", *, sent: int | None = None, **values: Any
) -> M | None:
    """In an act: as `lock`, of the row whose key `find` selects for update, if there is one; of a
    model of which steps have something at hand. All that is one message. `sent` is the key that
    says what the step needs later, if one was sent."""
    now = _act.get()
    if now is None:
        raise RuntimeError("A row is found and locked in an act, which holds it.")
    row = together.find_for_step(model, step, find, sent=sent, **values)
    if row is not None:
        row = now.rows.setdefault((model, row.pk), row)  # type: ignore[assignment]
    return row


def _top(root: M, step: str) -> M:
    model = type(root)
    if _act.get() is None or not together.has_something_at_hand(model):
        return hold(_locked(root), step)
    found = find_and_lock(model, _lock_of(model, key=True), step, pk=root.pk)
    if found is None:
        raise model.DoesNotExist
    return found


def _locked(row: M) -> M:
    """By a statement that is written once for each model. Raises DoesNotExist."""
    model = type(row)
    found: list[M] = _lock_of(model).instances(pk=row.pk)
    if not found:
        raise model.DoesNotExist
    return found[0]


@cache
def _lock_of(model: type[Machine], *, key: bool = False) -> Written:
    """Locks a row by its key, and selects all of it or the `key` alone."""
    rows = model._base_manager.select_for_update(of=("self",))
    chosen = rows.values_list("pk") if key else rows
    return Written(lambda pk: chosen.filter(pk=pk), planned=True)


def hold(row: M, step: str = "") -> M:
    """The act keeps a row that is locked, with what this step needs."""
    now = _act.get()
    if now is not None:
        together.read_for_step(row, step)
        now.rows[type(row), row.pk] = row
    return row


def hold_new(row: M, step: str, *sequences: str) -> list[int]:
    """In an act: it keeps a row that is not written yet, which nobody else can know, with what this
    step needs. With that come the next numbers of these sequences; the first is its key."""
    numbers = together.read_for_new(row, step, sequences)
    row.pk = numbers[0]
    now = _act.get()
    if now is not None:
        now.rows[type(row), row.pk] = row
    return numbers


def held(root: Machine) -> Any:
    """The row as this act has it locked; None where it has not."""
    now = _act.get()
    return now.rows.get((type(root), root.pk)) if now is not None else None
