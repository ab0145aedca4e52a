"""Who is signed in: read on every page by a statement whose text is made once."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from workflow.models import User
from workflow.written import Written

_ACCOUNT = Written(lambda pk: User.objects.filter(pk=pk))


class Accounts(ModelBackend):
    """Accounts with passwords as Django keeps them; whoever is not active any more is out."""

    def get_user(self, user_id: Any) -> Any:
        found = _ACCOUNT.instances(pk=int(user_id))
        return next((user for user in found if self.user_can_authenticate(user)), None)
