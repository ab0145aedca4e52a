"""Named lists of requests, and the expressions that they and the indexes of the table share."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import (
    SearchQuery,
    SearchQueryCombinable,
    SearchQueryField,
    SearchVectorExact,
    SearchVectorField,
)
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.lookups import Exact

from requests_app.states import CLOSED_STATES, OPEN, S
from workflow import clock
from workflow.written import Written

if TYPE_CHECKING:
    from requests_app.models import Request  # noqa: F401 - named by the class of the list
    from workflow.models import User

OPEN_Q = Q(state__in=[str(s) for s in OPEN])
# Where it stands in the list of all: the ended last, what nobody represents in triage on top (F4)
FINISHED = models.Case(models.When(state__in=[str(s) for s in CLOSED_STATES], then=1), default=0)
# By this alone, and not by the states as well: the database takes both for two conditions, and
# expects a tenth of what there is.
UNFINISHED_Q = Q(Exact(FINISHED, Value(0)))
UNASSIGNED = models.Case(
    models.When(representative__isnull=True, state=str(S.TRIAGE), then=0), default=1
)
# In these states it is the representative's turn; in others somebody else's
REPRESENTATIVES_TURN = (
    S.TRIAGE, S.DISCOVERY, S.PARTS_MAINTENANCE, S.BILLING, S.CUSTOMER_NOTICE,
)  # fmt: skip
TURN = models.Case(models.When(state__in=[str(s) for s in REPRESENTATIVES_TURN], then=0), default=1)


STRETCH = 30 * 24 * 3600  # seconds; a stretch of time by which the newest are found


class Words(models.Func):
    """A title's words and a reference's parts, with and without leading zeros, as a tsvector.
    It stands in migrations."""

    output_field = SearchVectorField()
    template = (
        "to_tsvector('simple'::regconfig, regexp_replace(%(title)s, '[!-/:-@\\[-`{-~]+', ' ', 'g')"
        " || ' ' || replace(%(reference)s, '-', ' ')"
        " || ' ' || ltrim(split_part(%(reference)s, '-', 3), '0'))"
    )

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        columns = (compiler.compile(e)[0] for e in self.get_source_expressions())
        names = ("title", "reference", "created_at")
        return self.template % dict(zip(names, columns, strict=False)), []


class DatedWords(Words):
    """The same with the stretch of time in which it was created. It stands in migrations."""

    template = (
        f"{Words.template} || array_to_tsvector(ARRAY['@' || "
        "floor(extract(epoch FROM (%(created_at)s AT TIME ZONE 'UTC')) "
        f"/ {STRETCH})::bigint::text])"
    )


class SearchedWords(models.Func):
    """A title's words, a reference's parts, with and without leading zeros, and the stretch of
    time in which it was created (`@691`), as a tsvector: the newest of many that have a word are
    found without reading the others.

    It is read through its index, which the database keeps by itself. The function (migration
    0007) says what it costs to make one: else the database rather makes thousands of them.
    """

    function = "request_words"
    output_field = SearchVectorField()


WORDS = SearchedWords("title", "reference", "created_at")
MOST_WORDS, LONGEST_WORD, SHORTEST_BEGINNING = 8, 40, 3


def words_of(text: str) -> list[str]:
    """The words that are looked for: letters and digits, no more than a few."""
    found = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text))
    return [word[:LONGEST_WORD] for word in found[:MOST_WORDS]]


class AsItIs(SearchQueryCombinable, models.Func):  # type: ignore[misc]
    """A query of the very words that stand in the index, none of them taken apart."""

    template = "(%(expressions)s)::tsquery"
    output_field = SearchQueryField()


def stretch_begin(before: int) -> datetime:
    """When the stretch of time began that is so many before the present one."""
    now = int(clock.now().timestamp()) // STRETCH
    return datetime.fromtimestamp((now - before) * STRETCH, UTC)


def said(word: str, since: datetime | None = None) -> SearchVectorExact:
    """Whether the title or the reference has this word, or one that begins so (of three letters
    or more), as a condition; of what was created `since` the begin of a stretch of time."""
    term = f"'{word}':*" if len(word) >= SHORTEST_BEGINNING else f"'{word}'"
    query: Any = SearchQuery(term, config="simple", search_type="raw")
    if since is not None:
        first, now = (int(at.timestamp()) // STRETCH for at in (since, clock.now()))
        # a clock may be a little ahead of this one
        query &= AsItIs(Value(" | ".join(f"'@{n}'" for n in range(first, now + 2))))
    return SearchVectorExact(WORDS, query)


class AmongKeys(models.Func):
    """Whether a key is among those of a subquery, which runs once and lets an index be used."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = models.BooleanField()

    def __init__(self, key: str, rows: Any) -> None:
        super().__init__(key, ArraySubquery(rows))


def _represented(person: int) -> models.QuerySet[Any, Any]:
    """Whom somebody represents: own agencies, those of nobody, colleagues they stand in for."""
    agencies: Any = apps.get_model("asd", "Agency").objects.order_by()
    own = agencies.filter(Q(representative=person) | Q(deputy=person))
    return own.values_list(Value("own"), "pk").union(
        agencies.filter(representative=None).values_list(Value("nobodys"), "pk"),
        get_user_model()
        .objects.filter(deputy=person)
        .order_by()
        .values_list(Value("person"), "pk"),
        all=True,
    )


_REPRESENTED = Written(_represented)


class RequestQuerySet(models.QuerySet["Request"]):
    """Named lists. Every page, feed, export and API call starts from `visible_to`."""

    def visible_to(self, user: "User") -> "RequestQuerySet":
        """What this person may see: representatives and auditors all; others their own work."""
        if not user.is_active:
            return self.none()
        if user.is_superuser or user.is_representative or user.is_auditor:
            return self
        mine = Q(provider_group__in=user.group_ids) | self.on_team_q(user)
        if user.is_billing:
            mine |= self._has("billing_cases") | self._has("part_lines")
        if user.is_asd_manager:
            mine |= self._has("service_updates") | self._has("proposed_services")
        return self.filter(mine)

    def shows(self, user: "User", request: "Request") -> bool:
        """Whether this person may see a request that is read already: as `visible_to` says."""
        if user.oversees or (user.is_active and request.provider_group_id in user.group_ids):
            return True
        return self.visible_to(user).filter(pk=request.pk).exists()

    def on_team_q(self, user: "User") -> Q:
        """On whose discovery team a person is or was (D5), as a condition."""
        teams = self._records("discoveries").filter(team__user=user).order_by()
        return Q(AmongKeys("pk", teams.values("request")))

    def _records(self, relation: str) -> Any:
        related: Any = self.model._meta.get_field(relation).related_model
        return related.objects

    def _has(self, relation: str) -> Q:
        """Whether any record hangs on the request by this relation, as a condition."""
        name = self.model._meta.get_field(relation).field.name  # type: ignore[union-attr]
        return Q(Exists(self._records(relation).filter(**{name: OuterRef("pk")})))

    def open(self) -> "RequestQuerySet":
        return self.filter(OPEN_Q)

    def represented_by(self, user: "User") -> "RequestQuerySet":
        """A representative's own agencies' requests, and those nobody represents."""
        return self.filter(self.represented_q(user))

    def represented_q(self, user: "User") -> Q:
        """The same as a condition. Whose they are is looked up first: with plain keys the
        database knows how many rows to expect, and finds few of them as fast as many.
        """
        found = _REPRESENTED.tuples(person=user.pk)
        keys: dict[str, list[int]] = {"own": [], "nobodys": [], "person": [user.pk]}
        for what, pk in found:
            keys[what].append(pk)
        mine = Q(representative__in=keys["person"]) | Q(agency__in=keys["own"])
        return mine | Q(representative__isnull=True, agency__in=keys["nobodys"])

    def pending(self, group: Any) -> "RequestQuerySet":
        """The CRM Pending Queue of a group (F2)."""
        return self.filter(provider_group=group, state=S.PENDING)

    def by_rule(self) -> "RequestQuerySet":
        """Who comes first: overdue, then priority, then due date, then age (F4). Stored columns
        alone, in the order of the index of the queues."""
        return self.order_by(
            "-overdue", "priority", F("due_at").asc(nulls_last=True), "created_at", "pk"
        )

    def by_receipt(self) -> "RequestQuerySet":
        """A specialist's own list: in the order in which they got it (F7)."""
        return self.order_by("assigned_at", "pk")

    def said(self, text: str) -> "RequestQuerySet":
        """With all of these words in title or reference; a text without words finds none."""
        words = words_of(text)
        return self.filter(*map(said, words)) if words else self.none()

    def for_list(self) -> "RequestQuerySet":
        """With what a row of a list shows."""
        return self.select_related(
            "agency", "service", "provider_group", "specialist", "representative", "forecast"
        )
