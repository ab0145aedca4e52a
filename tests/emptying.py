"""The database made empty again after a test whose writes are committed.

TRUNCATE makes new files for each of a hundred tables, and what every database has (content types,
permissions) would then be written again: that took a second. A test fills some dozens of tables
with some hundred rows: those are deleted.
"""

from typing import Any

from django.db import connections, transaction

KEPT = {"django_content_type", "auth_permission", "django_migrations"}
LARGE = 1 << 20
"""bytes; a table whose file has grown further is made small again, or every test would read it"""


def emptied(_case: Any, using: str = "default") -> None:
    """Delete every row that a test or its servers committed, however they hang together.

    Waits for whatever still writes, as TRUNCATE would, so that nothing arrives afterwards.
    """
    connection = connections[using]
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = {name: connection.ops.quote_name(name) for name in sorted({*names} - KEPT)}
    asked = " UNION ALL ".join(
        f"(SELECT '{name}', pg_relation_size('{quoted}') FROM {quoted} LIMIT 1)"  # noqa: S608
        for name, quoted in tables.items()
    )
    with connection.cursor() as cursor:
        with transaction.atomic(using):
            cursor.execute(f"LOCK TABLE {', '.join(tables.values())} IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute(asked)
            filled = dict(cursor.fetchall())
            # neither foreign keys nor the triggers that guard histories are asked
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in filled:
                cursor.execute(f"DELETE FROM {tables[name]}")  # noqa: S608
        for name, size in filled.items():
            if size > LARGE:
                cursor.execute(f"VACUUM {tables[name]}")
