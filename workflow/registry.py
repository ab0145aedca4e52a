"""What people can do: every page, admin button and API call is built from this registry."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.utils.datastructures import MultiValueDict
from django.utils.functional import cached_property

from workflow.acting import act, lock
from workflow.action_forms import ActionForm, NothingForm
from workflow.actors import Actor, Who, as_actor
from workflow.choosing import is_key
from workflow.machine import Guard, Refused, Step, find_step
from workflow.models import Machine, User


class InvalidFacts(Exception):  # noqa: N818 - carries a form back to the person, not a crash
    """The facts given do not do; `form` has the errors beside the fields and what was typed."""

    def __init__(self, form: ActionForm) -> None:
        super().__init__(form.errors.as_text())
        self.form = form


@dataclass(frozen=True)
class Action:
    """One thing people can do with a subject, in which states, and the form that asks for it.

    `step` names the row of the subject's machine that the action takes, if any: then who may
    and what must hold come from that row. Otherwise `who` and `given` say it here.
    `place` says where a page shows it: "next" (the way forward), "more" (beside it), or the name
    of a section whose rows carry it ("plan", "parts", "proposal" ...). While `first_while` holds
    it is the way forward, whatever its place: recording a test run, as long as there is none.
    """

    name: str
    label: str
    model: type[Machine] | str
    run: Callable[..., Any]
    states: frozenset[str]
    form: type[ActionForm] = NothingForm
    step: str = ""
    who: tuple[Who, ...] = ()
    given: tuple[Guard, ...] = ()
    place: str = "more"
    order: int = 50
    danger: bool = False
    on_hold: bool = False
    when: Guard | None = None
    first_while: Guard | None = None

    def _row(self, subject: Machine) -> Step | None:
        return find_step(subject, self.step) if self.step else None

    def possible(self, subject: Machine) -> bool:
        """Whether the subject is in a state that has this action."""
        return subject.state in self.states and (not self.step or self._row(subject) is not None)

    def allowed(self, subject: Machine, actor: Actor) -> bool:
        """Whether the actor is one of the people who may do it."""
        return any(who.allows(subject, actor) for who in self.for_whom(subject))

    def for_whom(self, subject: Machine) -> tuple[Who, ...]:
        """Which kinds of people may do it."""
        row = self._row(subject)
        return self.who if row is None else row.who

    def place_for(self, subject: Machine) -> str:
        """Where a page shows it now: a verb of a section can be the way forward for a while."""
        if self.first_while is not None and self.first_while(subject):
            return "next"
        return self.place

    def blockers(self, subject: Machine) -> list[str]:
        """Why it is not possible now, as sentences."""
        row = self._row(subject)
        found = [g.sentence for g in self.given if not g(subject)]
        return (row.blockers(subject) if row else []) + found

    def bind(
        self,
        subject: Machine,
        actor: Actor,
        data: Any = None,
        files: Any = None,
        initial: dict[str, Any] | None = None,
    ) -> ActionForm:
        """The action's form, bound to data when there is any."""
        return self.form(
            data,
            files,
            subject=subject,
            actor=actor,
            initial=initial,
            prefix=None,
            auto_id=f"{self.name}-%s",
        )


@dataclass
class Offer:
    """An action as shown to one person: its blockers and, once it is wanted, its form."""

    action: Action
    blockers: list[str]
    subject: Machine
    actor: Actor
    place: str = ""

    @cached_property
    def form(self) -> ActionForm:
        """Made when it is shown; whoever has one that came back with errors puts it here."""
        return self.action.bind(self.subject, self.actor)

    @property
    def came_back(self) -> bool:
        """Whether its form is one that came back with errors."""
        form = self.__dict__.get("form")
        return form is not None and form.is_bound

    @property
    def asks(self) -> bool:
        """Whether there is anything to fill in."""
        if self.action.form.shaped_by_subject:
            return bool(self.form.visible_fields())
        return self.action.form.asks()

    @property
    def is_of_a_row(self) -> bool:
        """Whether it acts on a row that a hidden field names."""
        if self.action.form.shaped_by_subject:
            return bool(self.form.hidden_fields())
        return bool(self.action.form.row_fields())

    @property
    def name(self) -> str:
        return self.action.name

    @property
    def label(self) -> str:
        return self.action.label


_actions: dict[tuple[str, str], list[Action]] = {}
_ordered: dict[str, list[Action]] = {}
_by_state: dict[tuple[str, str], list[Action]] = {}


def action(
    name: str,
    label: str,
    *,
    model: str,
    at: Iterable[str],
    form: type[ActionForm] = NothingForm,
    step: str | None = None,
    who: Sequence[Who] = (),
    given: Sequence[Guard] = (),
    place: str = "more",
    order: int = 50,
    danger: bool = False,
    on_hold: bool = False,
    when: Guard | None = None,
    first_while: Guard | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as something people can do with a `model` ("requests_app.request").

    It is called as `run(subject, by=actor, **facts)` with the subject locked, rights and guards
    checked and the form's cleaned data as facts. `step` defaults to `name` when neither `who` nor
    `step` is given. The same name may be registered twice for different states. An action with
    `when` is not even shown while that guard does not hold (resume, where nothing is on hold).
    """

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        made = Action(
            name=name,
            label=label,
            model=model,
            run=run,
            states=frozenset(str(s) for s in at),
            form=form,
            step=step if step is not None else ("" if who else name),
            who=tuple(who),
            given=tuple(given),
            place=place,
            order=order,
            danger=danger,
            on_hold=on_hold,
            when=when,
            first_while=first_while,
        )
        same = _actions.setdefault((model, name), [])
        if any(other.states & made.states for other in same):
            raise ValueError(f"{name} is registered twice for the same state of {model}")
        same.append(made)
        _ordered.clear()
        _by_state.clear()
        return run

    return register


def actions_of(model_label: str) -> list[Action]:
    """Every registered action of a model, in page order."""
    if model_label not in _ordered:
        found = [a for (label, _), many in _actions.items() if label == model_label for a in many]
        _ordered[model_label] = sorted(found, key=lambda a: a.order)
    return [*_ordered[model_label]]


def _in_state(model_label: str, state: str) -> list[Action]:
    """Those of this state."""
    key = (model_label, state)
    if key not in _by_state:
        _by_state[key] = [a for a in actions_of(model_label) if state in a.states]
    return _by_state[key]


def find(subject: Machine, name: str) -> Action | None:
    """The action of this name for the subject in its state; None if it has none there."""
    for made in _actions.get((subject._meta.label_lower, name), ()):
        if made.possible(subject):
            return made
    return None


def sent_with(model: str, name: str, data: Any) -> int | None:
    """The key that decides what the action of this name needs, where one was sent with it."""
    for made in _actions.get((model, name), ()):
        sent = data.get(made.form.decides, "")
        if made.form.decides and is_key(sent):
            return int(sent)
    return None


def exists(subject: Machine, name: str) -> bool:
    """Whether an action of this name exists in any state."""
    return (subject._meta.label_lower, name) in _actions


def _held(subject: Machine, made: Action) -> list[str]:
    """Verbs that are no step of the table wait too while the request is on hold."""
    if made.step or made.on_hold or not getattr(subject, "is_on_hold", False):
        return []
    return ["On hold: resume it first."]


def _is(who: Who, subject: Machine, actor: Actor, known: dict[Who, bool]) -> bool:
    """Whether the actor is one of these people, asked once for all that one can do."""
    if who not in known:
        known[who] = who.allows(subject, actor)
    return known[who]


def offers(subject: Machine, by: User | Actor, *, names: set[str] | None = None) -> list[Offer]:
    """What this person can do with the subject now; blocked actions carry their sentences."""
    actor = as_actor(by)
    kept_by_page = "_guard_answers" in subject.__dict__
    subject.__dict__.setdefault("_guard_answers", {})
    rights: dict[Who, bool] = {}
    found = [
        Offer(a, _held(subject, a) + a.blockers(subject), subject, actor, a.place_for(subject))
        for a in _in_state(subject._meta.label_lower, str(subject.state))
        if (names is None or a.name in names)
        and a.possible(subject)
        and any(_is(who, subject, actor, rights) for who in a.for_whom(subject))
        and (a.when is None or a.when(subject))
    ]
    if not kept_by_page:
        del subject.__dict__["_guard_answers"]
    return found


def perform(
    subject: Machine,
    name: str,
    *,
    by: User | Actor,
    data: Any = None,
    files: MultiValueDict[str, Any] | None = None,
    expect: str = "",
) -> Any:
    """Do one action with typed-in data: what a page, the admin, the API and e-mail all call.

    `expect` is the state the person saw. Raises LookupError (no such action), PermissionDenied,
    Refused, or InvalidFacts with the form. All or nothing.
    """
    actor = as_actor(by)
    with act():
        row = lock(subject, name)
        if not exists(row, name):
            raise LookupError(name)
        made = find(row, name)
        if made is None or (expect and expect != row.state):
            if made is not None and not made.allowed(row, actor):
                raise PermissionDenied
            raise Refused(
                f"Not possible any more: it is {row.whereabouts()}. "
                "What you see has been brought up to date.",
                code="wrong_state",
            )
        if not made.allowed(row, actor):
            raise PermissionDenied
        hidden = [made.when.sentence] if made.when and not made.when(row) else []
        refused = list(dict.fromkeys(_held(row, made) + made.blockers(row))) or hidden
        if refused:
            raise Refused(*refused)
        form = made.bind(row, actor, data if data is not None else {}, files)
        if not form.is_valid():
            raise InvalidFacts(form)
        try:
            return made.run(row, by=actor, **form.cleaned_data)
        except ValidationError as error:
            _attach(form, error)
            raise InvalidFacts(form) from error


def _attach(form: ActionForm, error: ValidationError) -> None:
    """Put the door's complaints beside their fields; those of no field on top of the form."""
    if not hasattr(error, "error_dict"):
        form.add_error(None, error)
        return
    for name, errors in error.error_dict.items():
        form.add_error(name if name in form.fields else None, errors)


@dataclass(frozen=True)
class Section:
    """A part of the request page that a stage app brings along."""

    name: str
    title: str
    template: str
    context: Callable[[Any, User], dict[str, Any]]
    show: Callable[[Any, User], bool]
    order: int


_sections: dict[str, list[Section]] = {}


def section(
    name: str,
    title: str,
    *,
    model: str,
    template: str,
    order: int,
    show: Callable[[Any, User], bool],
) -> Callable[[Callable[[Any, User], dict[str, Any]]], Callable[[Any, User], dict[str, Any]]]:
    """Register a section; the function gives the template its context. Shown only where `show`."""

    def register(
        context: Callable[[Any, User], dict[str, Any]],
    ) -> Callable[[Any, User], dict[str, Any]]:
        many = _sections.setdefault(model, [])
        many.append(Section(name, title, template, context, show, order))
        many.sort(key=lambda s: s.order)
        return context

    return register


def sections_of(subject: Machine, user: User) -> list[Section]:
    """The sections that exist for this subject, in page order."""
    return [s for s in _sections.get(subject._meta.label_lower, []) if s.show(subject, user)]
