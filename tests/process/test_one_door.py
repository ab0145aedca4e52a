"""Only the door moves a state: read from the source, so that nobody walks round it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = [
    "config", "notifications", "workflow", "asd", "requests_app", "discovery", "fulfillment",
    "billing",
]  # fmt: skip
MACHINES = {
    "Request", "Discovery", "Proposal", "PartLine", "ScheduleEntry", "BillingCase", "Service",
    "ServiceUpdate", "InboundMessage",
}  # fmt: skip
WRITERS = {"update", "create", "get_or_create", "update_or_create", "bulk_update"}
# A new service begins as proposed: its first state, not a move. The demo's catalogue starts live.
FIRST_STATES = {"proposed"}
# What has a column called state but no machine, and its only writer.
OTHERS = {"notifications/": "Notice", "fulfillment/": "PlanItem"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def test_nobody_but_the_door_assigns_a_state() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute)
        and target.attr in ("state", "state_since")
        and not _has_no_machine(path, target)
    ]
    assert [f for f in found if not f.startswith("workflow/door.py:")] == []


def _has_no_machine(path: Path, target: ast.Attribute) -> bool:
    """Notices and plan items have a column of this name and no machine: they may write it."""
    name = target.value.id if isinstance(target.value, ast.Name) else ""
    if str(path) in ("config/servers.py", "config/supervisor.py"):
        return True  # where embedded servers keep theirs
    return (str(path).startswith("notifications/") and name in ("notice", "row", "self")) or (
        str(path).startswith("fulfillment/") and name == "item"
    )


def test_nobody_writes_a_state_through_a_queryset_or_a_new_row() -> None:
    found = []
    for path, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if _writes_state(node) and not str(path).startswith("notifications/"):
                found.append(f"{path}:{node.lineno}")
    assert found == []


def _writes_state(call: ast.Call) -> bool:
    """`….update(state=…)`, `….create(state=…)`, `Request(state=…)`; proposed services excepted."""
    keys = {k.arg: k.value for k in call.keywords}
    if "state" not in keys:
        return False
    begins = getattr(keys["state"], "value", None) in FIRST_STATES or (
        isinstance(keys["state"], ast.Attribute) and keys["state"].attr.lower() in FIRST_STATES
    )
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in WRITERS and not begins
    return isinstance(call.func, ast.Name) and call.func.id in MACHINES and not begins


def test_nobody_saves_a_state_by_setattr_or_raw_sql() -> None:
    for path, tree in sources():
        if str(path) == "workflow/door.py" or str(path).endswith("generate.py"):
            continue  # the door itself; bulk data, whose result passes `verify`
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setattr":
                assert getattr(node.args[1], "value", "") != "state", f"{path}:{node.lineno}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                sql = node.value.lower().replace(
                    "update notifications_notice set", ""
                )  # no machine
                assert "set state" not in sql, f"{path}:{node.lineno}"


def test_only_the_declarations_know_django_fsm() -> None:
    """`transition` is wrapped once; a second way to declare a step would have no rights."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_fsm"):
                names = {alias.name for alias in node.names}
                allowed = {"transition"} if str(path) == "workflow/machine.py" else {"FSMField"}
                assert names <= allowed, f"{path} imports {names}"
            if isinstance(node, ast.Import):
                assert not any(a.name.startswith("django_fsm") for a in node.names), path


def test_only_the_door_writes_events_and_promises_notices() -> None:
    """X7: one writer, so that no change goes unrecorded and no event tells twice."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "notifications.outbox":
                promises = {"enqueue", "notices_of"} & {a.name for a in node.names}
                assert not promises or str(path) == "workflow/door.py", path
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Event":
                if not node.keywords:
                    continue  # what threads wait for
                assert str(path) == "workflow/door.py", f"{path}:{node.lineno}"


def test_no_signals_and_no_save_overrides_move_anything() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert "signals" not in (node.module or ""), f"{path}:{node.lineno}"
            if isinstance(node, ast.ClassDef) and node.name in MACHINES:
                methods = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
                assert not methods & {"save", "delete"}, f"{path}: {node.name}"
