"""The whole machine walked by random people with random facts, on a real database.

Whatever they try: what is refused changes nothing; what is accepted leaves exactly one event of its
step and exactly the notices that its row promises; an end stays within reach; roles hold.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django import forms
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils.datastructures import MultiValueDict
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from notifications.models import Notice
from requests_app.models import Request
from tests import walk
from tests.factories import MembershipFactory, Office, UserFactory
from tests.process import table
from workflow import clock
from workflow.actors import as_actor
from workflow.machine import Refused, steps_of
from workflow.models import Event
from workflow.registry import Action, InvalidFacts, actions_of, offers, perform

ROWS = {s.name for s in steps_of(Request)}
RARE = {"upload_file", "cancel", "decline", "hold", "ask_customer", "send_to_discovery",
        "return_to_triage",
        "unassign", "unschedule", "put_back", "split", "comment", "link", "unlink", "edit",
        "transfer", "reassign_representative", "change_priority", "add_watcher",
        "renew_link", "revoke_link"}  # fmt: skip
WORDS = ["A plain sentence.", "Größe 10 µm — naïve ✓", "<b>no</b>", "x", "It works: passed"]
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
SEEDS = st.integers(0, 2**32 - 1)
STARTS: list[Callable[[Office], Request]] = [
    Office.request,
    walk.to_discovery,
    walk.to_pending,
    walk.to_assigned,
    walk.to_awaiting,
    walk.to_scheduled,
    walk.to_planning,
    walk.to_testing,
    walk.passed,
    walk.to_billing,
    walk.to_customer_notice,
    walk.to_closed,
]
visited: Counter[str] = Counter()
accepted: Counter[str] = Counter()


class Walk(RuleBasedStateMachine):
    """One request, a small office, and whatever anybody tries."""

    @initialize(start=st.sampled_from(STARTS))
    def begin(self, start: Callable[[Office], Request]) -> None:
        self.cursor = connection.cursor()
        self.cursor.execute("SAVEPOINT walk")
        self.office = Office()
        office = self.office
        self.people = {
            "rep": office.rep,
            "rep2": office.rep2,
            "lead": office.lead,
            "specialist": office.specialist,
            "specialist2": office.specialist2,
            "stranger": office.stranger,
            "other lead": MembershipFactory(group=office.other_group, is_lead=True).user,
            "billing": office.billing,
            "asd": office.asd,
            "auditor": office.auditor,
            "nobody": UserFactory(),
        }
        self.request = start(office)
        self.turn = 0

    def teardown(self) -> None:
        """An end stays within reach, and nothing has come apart."""
        if not hasattr(self, "request"):
            return
        try:
            self._an_end_is_in_reach()
        finally:
            self.cursor.execute("ROLLBACK TO SAVEPOINT walk")
            self.cursor.close()

    @rule(seed=SEEDS)
    def somebody_goes_on(self, seed: int) -> None:
        """The likely way: an action offered to one of them, seldom one that ends it."""
        self.act(seed, sensible=True)

    @rule(seed=SEEDS)
    def somebody_else_goes_on(self, seed: int) -> None:
        self.act(seed, sensible=True)

    @rule(seed=SEEDS)
    def somebody_tries_anything(self, seed: int) -> None:
        """Any person, any action, whatever the state."""
        self.act(seed, sensible=False)

    def act(self, seed: int, *, sensible: bool) -> None:
        self.turn += 1
        chance = Random(f"{seed} {self.turn}")  # the same seed again is another try
        self.request = Request.objects.get(pk=self.request.pk)
        visited[self.request.state] += 1
        role, made = self._choose(chance, sensible)
        person = self.people[role]
        typed, files = self._fill_in(chance, made, person)
        note(f"{role}: {made.name} in {self.request.state} with {typed}")
        before = self._picture()
        try:
            perform(self.request, made.name, by=person, data=typed, files=files)
        except (PermissionDenied, Refused, InvalidFacts, LookupError) as refused:
            note(f"  refused: {refused!r}")
            assert self._picture() == before, f"{role}: {made.name} was refused and changed things"
            return
        accepted[made.name] += 1
        self._was_allowed(role, made, before[0]["state"])
        self._left_its_trace(made, before)

    def _choose(self, chance: Random, sensible: bool) -> tuple[str, Action]:
        everything = actions_of("requests_app.request")
        if not sensible:
            return chance.choice(sorted(self.people)), chance.choice(everything)
        role = chance.choice(["rep", "rep", "lead", "lead", "specialist", "billing", "asd"])
        found = [o.action for o in offers(self.request, self.people[role]) if not o.blockers]
        if not found:
            return self._choose(chance, sensible=False)
        return role, chance.choices(found, [_weight(made) for made in found])[0]

    def _fill_in(
        self, chance: Random, made: Action, person: Any
    ) -> tuple[dict[str, Any], MultiValueDict[str, Any]]:
        typed: dict[str, Any] = {}
        files: MultiValueDict[str, Any] = MultiValueDict()
        form = made.bind(self.request, as_actor(person))
        careless = chance.random() < 0.15
        for name, field in form.fields.items():
            if careless and chance.random() < 0.4:
                continue
            if isinstance(field, forms.FileField):
                if field.required or chance.random() < 0.3:
                    files.setlist(name, [SimpleUploadedFile("paper.pdf", PDF)])
                continue
            typed[name] = chance.choice(_values(field, careless))
        return typed, files

    def _picture(self) -> tuple[dict[str, Any], int, int]:
        row = Request.objects.filter(pk=self.request.pk).values().get()
        return row, Event.objects.count(), Notice.objects.count()

    def _was_allowed(self, role: str, made: Action, state: str) -> None:
        """By the hand-typed table, not by what the program says of itself."""
        if made.step not in ROWS:
            assert role not in ("auditor", "nobody"), f"{role} did {made.name}"
            return
        listed = {
            w for name, at, _, who in table.STEPS if name == made.step and state in at for w in who
        }
        now = {
            "rep": {table.CAR},
            "lead": {table.MEMBER, table.SPECIALIST, table.LEAD},
            "specialist": {table.MEMBER, table.SPECIALIST},
            "specialist2": {table.MEMBER, table.SPECIALIST},
        }
        if role in now:
            assert listed & now[role], f"{role} took {made.step} from {state}"
        else:  # transferred to the other group, or handed over to the other representative
            away = self.request.provider_group_id == self.office.other_group.pk
            taken_over = self.request.representative_id == self.office.rep2.pk
            assert (role in ("stranger", "other lead") and away) or (
                role == "rep2" and taken_over
            ), f"{role} took {made.step} from {state}"

    def _left_its_trace(self, made: Action, before: tuple[dict[str, Any], int, int]) -> None:
        fresh = Event.objects.order_by("-pk")[: Event.objects.count() - before[1]]
        assert fresh, f"{made.name} was done and left no event"
        mine = [e for e in fresh if e.subject_id == self.request.pk and e.name in ROWS
                and e.subject_type.model == "request"]  # fmt: skip
        if made.step:
            assert [e.name for e in mine].count(made.step) == 1
        after = Request.objects.get(pk=self.request.pk)
        moving = [e for e in mine if e.moved]
        if moving:
            assert moving[0].target == after.state  # the last event says where it is
            assert moving[-1].source == before[0]["state"]
        else:
            assert after.state == before[0]["state"]
        self.request = after
        for event in fresh:
            self._told_what_was_promised(event)

    def _told_what_was_promised(self, event: Event) -> None:
        told = Counter(event.notices.values_list("template", flat=True))
        if event.subject_type.model == "request" and event.name in ROWS:
            promised = set(table.TOLD.get(event.name, []))
            assert set(told) <= promised, f"{event.name} told {set(told)}"
            for template in promised:
                audience = self.request.recipients(template, event)
                assert told[template] == len({r.address.casefold() for r in audience}), template
        assert all(n == 1 for n in Counter(
            event.notices.values_list("template", "address")).values())  # fmt: skip

    def _an_end_is_in_reach(self) -> None:
        fresh = Request.objects.get(pk=self.request.pk)
        if fresh.state in table.ENDS:
            return
        owner = fresh.representative or self.office.rep
        ways = {o.name: o.blockers for o in offers(fresh, owner)}
        assert "cancel" in ways, f"nobody can end it in {fresh.state}"
        assert ways["cancel"] in ([], [table.NOT_BILLED])


def _weight(made: Action) -> float:
    """Ways forward often, ways round seldom, ways out hardly ever."""
    if made.danger:
        return 0.2
    if made.name in RARE:
        return 1
    return 40 if made.step or made.place == "next" else 6


def _values(field: forms.Field, careless: bool) -> list[Any]:
    """What somebody might type: mostly what is meant, now and then nonsense."""
    today = clock.today()
    if isinstance(field, forms.ModelChoiceField):
        rows = [str(row.pk) for row in field.queryset[:5]]
        return rows if rows and not careless else [*rows, "", "0", "99999999"]
    if isinstance(field, forms.ChoiceField):
        keys = [str(key) for key, _ in field.choices if key != "" or not field.required]
        return [*keys, "nonsense"] if careless else keys or [""]
    if isinstance(field, forms.BooleanField):
        return ["on", ""]
    if isinstance(field, forms.DateField):
        days = [-400, -1, 9999] if careless else [0, 3, 4, 5, 10]
        return [(today + timedelta(days=n)).isoformat() for n in days]
    if isinstance(field, forms.DecimalField | forms.IntegerField):
        return ["-1", "0", "1e9", "NaN"] if careless else ["1", "2", "4", "8"]
    return ["", " ", "\x00", "y" * 30_000] if careless else WORDS


@pytest.mark.django_db
@pytest.mark.timeout(300)
def test_whatever_people_try_the_process_holds() -> None:
    """Properties of the whole machine (D1-D3, F17, X2, X7)."""
    visited.clear()
    accepted.clear()
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=18,
            stateful_step_count=30,
            phases=[Phase.generate],  # shrinking walks of a whole office would take minutes
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert len(visited) >= 10, f"the walk stayed near home: {visited}"
    assert len(accepted) >= 25, f"hardly anything was accepted: {accepted}"
