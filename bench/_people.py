"""The demo's people and what they work with, for measurements."""

from importlib import import_module

from asd.models import Agency, Agreement, CoveredService
from fulfillment.models import ProviderGroup
from workflow.models import User

PEOPLE = ("rep", "lead", "specialist", "billing")
GROUP = "network-services"
# where sessions are kept, and who tells whose they are
PROGRAM = ("workflow.sessions", "workflow.accounts.Accounts")
BARE = ("django.contrib.sessions.backends.db", "django.contrib.auth.backends.ModelBackend")


def session_of(person: User, signed_in: tuple[str, str] = PROGRAM) -> str:
    """The key of a fresh session, as after signing in."""
    engine, backend = signed_in
    store = import_module(engine).SessionStore()
    store["_auth_user_id"] = str(person.pk)
    store["_auth_user_backend"] = backend
    store["_auth_user_hash"] = person.get_session_auth_hash()
    store.create()
    return str(store.session_key)


def covered(people: dict[str, User], group: ProviderGroup) -> CoveredService:
    """A service of the group in the SLA of an agency of the representative that has a contact."""
    agencies = Agency.objects.filter(representative=people["rep"], contacts__is_active=True)
    found = CoveredService.objects.filter(
        agreement__in=Agreement.objects.in_force(),
        agreement__agency__in=agencies,
        service__provider_group=group,
        service__state="live",
    )
    first = found.select_related("agreement").order_by("pk").first()
    if first is None:
        raise SystemExit("The demo's representative has no agency with a service of the group.")
    return first
