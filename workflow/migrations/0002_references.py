"""Sequences behind the references people say aloud."""

from django.db import migrations

PREFIXES = ("req", "case", "pro", "bil")


class Migration(migrations.Migration):
    dependencies = [("workflow", "0001_initial")]

    operations = [
        migrations.RunSQL(
            [f"CREATE SEQUENCE reference_{prefix}" for prefix in PREFIXES],
            [f"DROP SEQUENCE reference_{prefix}" for prefix in PREFIXES],
        )
    ]
