"""People's names in the database, where a page needs no more of them."""

from django.db.models import F, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim


def name_of(person: str = "") -> Coalesce:
    """A person's name as pages show it; `person` is the way to them, with two underscores."""
    whole = Concat(f"{person}first_name", Value(" "), f"{person}last_name")
    return Coalesce(NullIf(Trim(whole), Value("")), F(f"{person}username"))
