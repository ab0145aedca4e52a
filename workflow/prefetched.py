"""What was prefetched, as Django looks it up on an instance; a queryset when it is asked for.

Of the many sets that are read with a request most are never looked at: a queryset for each of them
takes longer to make than all of them take to read.
"""

from typing import Any


class Prefetched(dict[str, Any]):
    """An instance's `_prefetched_objects_cache`."""

    def __init__(self, before: dict[str, Any]) -> None:
        super().__init__(before)
        self._waiting: dict[str, tuple[Any, str, list[Any]]] = {}

    def put(self, name: str, owner: Any, accessor: str, rows: list[Any]) -> None:
        """These are all the rows that the owner has by this accessor."""
        super().pop(name, None)
        self._waiting[name] = (owner, accessor, rows)

    def __missing__(self, name: str) -> Any:
        owner, accessor, rows = self._waiting.pop(name)
        field = getattr(type(owner), accessor).rel.field
        kept = field.model._default_manager.get_queryset()
        kept._deferred_filter = False, (), {field.name: owner}  # as a related manager defers it
        kept._known_related_objects = {field: {owner.pk: owner}}
        kept._result_cache = rows
        kept._prefetch_done = True
        self[name] = kept
        return kept

    def get(self, name: str, otherwise: Any = None) -> Any:
        if name in self._waiting:
            return self[name]
        return super().get(name, otherwise)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._waiting

    def __delitem__(self, name: str) -> None:
        if self._waiting.pop(name, None) is None:
            super().__delitem__(name)

    def pop(self, name: str, *otherwise: Any) -> Any:
        """As of a dictionary; what waits is not made for it."""
        if self._waiting.pop(name, None) is not None:
            return None
        return super().pop(name, *otherwise)
