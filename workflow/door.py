"""The one door. Nothing else changes a state, writes an event or promises a notice."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction

from notifications.outbox import enqueue_all
from workflow import clock, together
from workflow.actors import Actor, as_actor
from workflow.machine import Refused, Step, find_step
from workflow.models import Event, Machine, User
from workflow.written import Written

M = TypeVar("M", bound=Machine)
Consequence = Callable[[Any, Actor, dict[str, Any]], None]

_consequences: dict[str, list[tuple[int, Consequence]]] = {}


def consequence(*steps: str, order: int) -> Callable[[Consequence], Consequence]:
    """Run this function inside the door whenever one of these steps of a request is taken.

    Consequences of one step run by `order`; each undoes or closes what its own app holds.
    """

    def register(run: Consequence) -> Consequence:
        for name in steps:
            _consequences.setdefault(name, []).append((order, run))
            _consequences[name].sort(key=lambda pair: pair[0])
        return run

    return register


def consequences_of(step: str) -> list[Consequence]:
    """What else happens in the transaction of this step, in order."""
    return [run for _, run in _consequences.get(step, [])]


class Act:
    """What one act of somebody holds until its transaction ends: the rows locked, by model and key.

    Whoever asks for one of them again gets the same, with what was read with it.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[type[models.Model], Any], Machine] = {}

    def forget_written(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Before each statement: what was read of a table that is written counts no more."""
        if sql.startswith("ROLLBACK"):
            self.let_go()
        for row in self.rows.values():
            together.forget(row, sql)
        return execute(sql, params, many, context)

    def let_go(self) -> None:
        """Nobody watches any more what is written, or a part was undone."""
        for row in self.rows.values():
            together.forget_all(row)
        self.rows.clear()


_locks: dict[type[Machine], Written] = {}
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
        with transaction.atomic(), connection.execute_wrapper(own.forget_written):
            yield
    finally:
        own.let_go()
        _act.reset(token)


def lock(subject: M) -> M:
    """The fresh row, locked; the request it belongs to is locked first, so nobody deadlocks.

    In an act the request is locked once, and what steps need is read with it: rows of that set
    are as fresh as its lock.
    """
    root = subject.stream()
    top = _lock_root(root)
    if root is subject:
        return top  # type: ignore[return-value]
    if together.has_at_hand(top, subject):
        return subject
    row = _locked(subject)
    for key in row._meta.concrete_fields:
        if key.related_model is type(top) and getattr(row, key.attname) == top.pk:
            key.set_cached_value(row, top)  # type: ignore[attr-defined]
    return row


def _locked(row: M) -> M:
    """By a statement that is written once for each model. Raises DoesNotExist."""
    model = type(row)
    if model not in _locks:
        rows = model._base_manager.select_for_update(of=("self",))
        _locks[model] = Written(lambda pk: rows.filter(pk=pk))
    found: list[M] = _locks[model].instances(pk=row.pk)
    if not found:
        raise model.DoesNotExist
    return found[0]


def hold(row: M) -> M:
    """The act keeps a row that is locked, or that it has just made and nobody else can know."""
    now = _act.get()
    if now is not None:
        together.read_for_step(row)
        now.rows[type(row), row.pk] = row
    return row


def _lock_root(root: Machine) -> Machine:
    held: Machine | None = _held(root)
    return hold(_locked(root)) if held is None else held


def _held(root: Machine) -> Any:
    """The row as this act has it locked; None where it has not."""
    now = _act.get()
    return now.rows.get((type(root), root.pk)) if now is not None else None


def advance(subject: M, step: str, *, by: User | Actor, reason: str = "", **facts: Any) -> M:
    """Take one step of a machine: lock, check rights, guards and facts, move, record, notify.

    `facts` are what the row asks for; those the row `writes` are kept on the subject.
    Returns the fresh row. Raises PermissionDenied, Refused (with the process's sentences) or
    ValidationError by field; then nothing has changed. Rights come first: strangers learn nothing.
    """
    actor = as_actor(by)
    with act():
        row = lock(subject)
        declared = find_step(row, step)
        if declared is None:
            raise Refused(
                f"Not possible any more: it is {row.whereabouts()}.",
                code="wrong_state",
            )
        if not declared.allowed(row, actor):
            raise PermissionDenied
        facts = {**facts, "reason": reason}
        _take(row, declared, actor, facts)
    return row


def _take(row: Machine, declared: Step, actor: Actor, facts: dict[str, Any]) -> None:
    """The part of the door behind the rights: guards, facts, move, consequences, event, notices."""
    row.__dict__["_guard_answers"] = {}
    refused = declared.blockers(row)
    if refused:
        raise Refused(*refused)
    declared.verify_facts(row, facts)
    before = _fields(row)
    getattr(row, declared.name)()
    for name in declared.writes:
        if name in facts:
            setattr(row, name, facts[name])
    for name in declared.stamps:
        setattr(row, name, clock.now())
    for name in declared.clears:
        empty: Any = row._meta.get_field(name)
        setattr(row, name, empty.get_default())
    if declared.target is not None:
        row.state_since = clock.now()
    del row.__dict__["_guard_answers"]
    if row.stream() is row:
        row.__dict__["_meanwhile"] = []  # events of consequences: the row is not saved yet
        for run in consequences_of(declared.name):
            run(row, actor, facts)
    after = _fields(row)
    changed = [name for name, value in after.items() if value != before[name]]
    _write_down(
        row,
        Event(
            name=declared.name,
            source=before["state"],
            target=row.state,
            reason=facts.get("reason", ""),
            changes=_plain(
                {
                    name: [before[name], after[name]]
                    for name in changed
                    if name not in ("state", "state_since")
                }
            ),
            facts=_plain(
                {k: v for k, v in facts.items() if k != "reason" and k not in declared.writes}
            ),
        ),
        actor,
        before,
        declared.tell,
    )


def record(
    subject: Machine,
    name: str,
    *,
    by: User | Actor,
    reason: str = "",
    source: str = "",
    target: str = "",
    changes: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
    tell: tuple[str, ...] = (),
    public: bool = False,
    sets: dict[str, Any] | None = None,
) -> Event:
    """Write one event on the subject's stream and the notices promised with it (X7).

    Verbs that move no state (a finding, a comment) record themselves with this. Call it in the
    transaction of the change, with the stream's row locked. `sets` are fields of the subject.
    """
    event = Event(
        name=name,
        source=source or getattr(subject, "state", ""),
        target=target or getattr(subject, "state", ""),
        reason=reason,
        changes=_plain(changes or {}),
        facts=_plain(facts or {}),
        public=public,
    )
    subject = _held(subject) or subject
    before = _fields(subject)
    for field, value in (sets or {}).items():
        setattr(subject, field, value)
    return _write_down(subject, event, as_actor(by), before, tell)


def _write_down(
    subject: Machine, event: Event, actor: Actor, before: dict[str, Any], tell: tuple[str, ...]
) -> Event:
    """The event joins its history, rows are saved as they are by now, notices are promised."""
    root = subject.stream()
    root = _held(root) or root
    event.stream_type, event.stream_id = ContentType.objects.get_for_model(root), root.pk
    event.subject_type, event.subject_id = ContentType.objects.get_for_model(subject), subject.pk
    event.actor, event.actor_kind, event.actor_name = actor.user, actor.kind, actor.name
    event.at = clock.now()
    together.keep_fitting(root)
    if root is subject:
        _follow(root, event, before)
    else:
        _save(subject, before)
        if "_meanwhile" not in root.__dict__:
            _follow(root, event, _fields(root))
    _chain(root, event)
    told = {template: subject.recipients(template, event) for template in tell}
    enqueue_all(
        event,
        [(t, people, subject.notice_context(t, event)) for t, people in told.items() if people],
        suppressed=clock.in_the_past(),
    )
    return event


def _follow(root: Machine, event: Event, before: dict[str, Any]) -> None:
    """What is computed from the history is brought up to date and saved with the rest of the row.

    In a step of the row itself the events of its consequences wait for the step's own.
    """
    meanwhile = root.__dict__.pop("_meanwhile", [])
    event.changes = {**event.changes, **_plain(root.follow([*meanwhile, event]))}
    _save(root, before)


def _save(row: Machine, before: dict[str, Any]) -> None:
    changed = [name for name, value in _fields(row).items() if value != before[name]]
    if changed:
        row.save(update_fields=changed)


def _chain(root: Machine, event: Event) -> None:
    """Number and digest: the next of its history, which is locked."""
    last = _last_of(root)
    event.number, event.previous_digest = (last[0] + 1, last[1]) if last else (1, "")
    event.digest = digest_of(event)
    before = together.read_with(root, "history")
    event.save(force_insert=True)
    if "_meanwhile" in root.__dict__:
        root.__dict__["_meanwhile"].append(event)
    if before is not None:
        together.put(root, "history", [*before, event])
    together.put(root, "last_event", [event])


def _last_of(root: Machine) -> tuple[int, str] | None:
    """Number and digest of the last event: at hand, or looked up."""
    known = together.read_with(root, "last_event")
    if known is not None:
        return (known[0].number, known[0].digest) if known else None
    own = ContentType.objects.get_for_model(root)
    events = Event.objects.filter(stream_type=own, stream_id=root.pk).order_by("-number")
    return events.values_list("number", "digest").first()


def digest_of(event: Event) -> str:
    """SHA-256 over the event and the digest before it: a changed past breaks the chain."""
    body = json.dumps(
        [
            event.previous_digest,
            event.stream_type_id,
            event.stream_id,
            event.number,
            event.subject_type_id,
            event.subject_id,
            event.name,
            event.source,
            event.target,
            event.actor_id,
            event.actor_kind,
            event.actor_name,
            event.reason,
            event.changes,
            event.facts,
            event.at.timestamp(),
        ],
        sort_keys=True,
    )
    return hashlib.sha256(body.encode()).hexdigest()


def _fields(row: models.Model) -> dict[str, Any]:
    """The row's own columns, foreign keys as ids."""
    return {
        f.attname: row.__dict__[f.attname]
        for f in row._meta.concrete_fields
        if f.attname in row.__dict__
    }


def _plain(value: Any) -> Any:
    """Facts as JSON: model instances as text, files by name, the rest by Django's encoder."""

    class Encoder(DjangoJSONEncoder):
        def default(self, o: Any) -> Any:
            if isinstance(o, models.Model):
                return str(o)
            if hasattr(o, "read"):
                return str(getattr(o, "name", "file"))
            if isinstance(o, models.QuerySet | set | frozenset):
                return [self.default(x) if isinstance(x, models.Model) else x for x in o]
            return super().default(o)

    return json.loads(json.dumps(value, cls=Encoder))
