"""Who is signed in: the account that came with the session, or read by its key."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from workflow.models import User
from workflow.sessions import take
from workflow.written import Written

_ACCOUNT = Written(lambda pk: User.objects.filter(pk=pk))


class Accounts(ModelBackend):
    """Accounts with passwords as Django keeps them; whoever is not active any more is out."""

    def get_user(self, user_id: Any) -> Any:
        key = int(user_id)
        brought = take(key)
        found = _ACCOUNT.instances(pk=key) if brought is None else [brought]
        return next((user for user in found if self.user_can_authenticate(user)), None)
