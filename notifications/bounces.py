"""Addresses that take no mail: marked by a permanent answer or a returned mail, cleared by people.

A marked address is written to no more. The notices to it are kept as failed, so that nobody takes
silence for delivery; whoever stands for the customer is told once per mark.
"""

from collections.abc import Callable, Iterable

from django.db import transaction

from notifications.models import Notice, UndeliverableAddress

REFUSED = "address undeliverable"
Marks = dict[str, UndeliverableAddress]
MarkedHook = Callable[[UndeliverableAddress], None]

_hooks: list[MarkedHook] = []


def when_marked(run: MarkedHook) -> MarkedHook:
    """Call this function, in the transaction of the mark, whenever an address is marked."""
    _hooks.append(run)
    return run


def plain(address: str) -> str:
    """Addresses are compared without regard to case."""
    return address.strip().casefold()


def mark_undeliverable(
    address: str, why: str, notice: Notice | None = None
) -> UndeliverableAddress | None:
    """Mails to this address do not arrive, for good (TB14).

    `notice` is the one that came back: it counts as failed from now on. Marking again changes
    nothing and tells nobody twice. None where there is no address.
    """
    if not plain(address):
        return None
    with transaction.atomic():
        mark, fresh = UndeliverableAddress.objects.get_or_create(
            address=plain(address), defaults={"why": why[:2000], "notice": notice}
        )
        if notice is not None:
            came_back = Notice.objects.filter(pk=notice.pk, state=Notice.State.SENT)
            came_back.update(state=Notice.State.FAILED, last_error=f"It came back: {why}"[:2000])
        if fresh:
            for run in _hooks:
                run(mark)
    return mark


def is_undeliverable(address: str) -> bool:
    """Whether mails to this address are known not to arrive."""
    return UndeliverableAddress.objects.filter(address=plain(address)).exists()


def undeliverable_among(addresses: Iterable[str]) -> Marks:
    """The marks of those of these addresses that have one, by address as `plain` gives it."""
    asked = {plain(address) for address in addresses if address}
    marks = UndeliverableAddress.objects.filter(address__in=asked) if asked else []
    return {mark.address: mark for mark in marks}


def clear(address: str) -> bool:
    """Write to this address again; says whether it was marked."""
    deleted, _ = UndeliverableAddress.objects.filter(address=plain(address)).delete()
    return bool(deleted)


def is_the_recipients(code: int, said: str) -> bool:
    """Whether a permanent answer to a recipient speaks of the mailbox, not of us or of today.

    5.7.x is a policy (a server that does not relay for us would else cost us every address), a
    full mailbox is for now.
    """
    if "5.7." in said or "5.2.2" in said:
        return False
    return code in (550, 551, 553) or "5.1." in said
