"""The one door. Nothing else changes a state, writes an event or promises a notice."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from notifications.outbox import notices_of, send_after_commit
from workflow import clock, together
from workflow.acting import act, gathered, held, lock, owe
from workflow.actors import Actor, as_actor
from workflow.machine import Refused, Step, find_step
from workflow.models import Event, Machine, User

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


def advance(subject: M, step: str, *, by: User | Actor, reason: str = "", **facts: Any) -> M:
    """Take one step of a machine: lock, check rights, guards and facts, move, record, notify.

    `facts` are what the row asks for; those the row `writes` are kept on the subject.
    Returns the fresh row. Raises PermissionDenied, Refused (with the process's sentences) or
    ValidationError by field; then nothing has changed. Rights come first: strangers learn nothing.
    """
    actor = as_actor(by)
    with act():
        row = lock(subject, step)
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
    subject = held(subject) or subject
    before = _fields(subject)
    for field, value in (sets or {}).items():
        setattr(subject, field, value)
    with gathered():
        return _write_down(subject, event, as_actor(by), before, tell)


def _write_down(
    subject: Machine, event: Event, actor: Actor, before: dict[str, Any], tell: tuple[str, ...]
) -> Event:
    """The event joins its history, rows are saved as they are by now, notices are promised."""
    root = subject.stream()
    root = held(root) or root
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
    notices = notices_of(
        event,
        [(t, people, subject.notice_context(t, event)) for t, people in told.items() if people],
        suppressed=clock.in_the_past(),
    )
    for notice in notices:
        owe(notice)
    send_after_commit(notices)
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
        owe(row, changed)


def _chain(root: Machine, event: Event) -> None:
    """Number and digest: the next of its history, which is locked."""
    last = _last_of(root)
    event.number, event.previous_digest = (last[0] + 1, last[1]) if last else (1, "")
    event.digest = digest_of(event)
    before = together.read_with(root, "history")
    owe(event)
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


class _Encoder(DjangoJSONEncoder):
    """Model instances as text, files by name, the rest by Django's encoder."""

    def default(self, o: Any) -> Any:
        if isinstance(o, models.Model):
            return str(o)
        if hasattr(o, "read"):
            return str(getattr(o, "name", "file"))
        if isinstance(o, models.QuerySet | set | frozenset):
            return [self.default(x) if isinstance(x, models.Model) else x for x in o]
        return super().default(o)


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Facts as JSON."""
    return json.loads(json.dumps(value, cls=_Encoder)) if value else {}
