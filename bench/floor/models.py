"""Four plain tables, filled by the bench with as many rows as there are requests."""

from django.contrib.postgres.search import SearchVectorField
from django.db import models

MAKE = """
DROP TABLE IF EXISTS floor_child, floor_audit, floor_outbox, floor_row;
CREATE TABLE floor_row (id bigserial PRIMARY KEY, team bigint, state text, title text,
    agency text, at timestamptz, words tsvector);
INSERT INTO floor_row SELECT r.id, r.provider_group_id, r.state, r.title, a.name, r.created_at,
    to_tsvector('simple', r.title)
    FROM requests_app_request r JOIN asd_agency a ON a.id = r.agency_id;
CREATE INDEX ON floor_row (team, state, at DESC, id DESC);
CREATE INDEX ON floor_row USING gin (words);
SELECT setval('floor_row_id_seq', (SELECT max(id) FROM floor_row));
CREATE TABLE floor_child (id bigserial PRIMARY KEY, row_id bigint, text text, at timestamptz);
INSERT INTO floor_child (row_id, text, at) SELECT stream_id, name || ' ' || actor_name, at
    FROM workflow_event WHERE stream_id = ANY(%s);
CREATE INDEX ON floor_child (row_id, at);
CREATE TABLE floor_audit (id bigserial PRIMARY KEY, row_id bigint REFERENCES floor_row (id),
    name text, at timestamptz);
CREATE TABLE floor_outbox (id bigserial PRIMARY KEY, row_id bigint REFERENCES floor_row (id),
    address text, state text, at timestamptz);
ANALYZE floor_row; ANALYZE floor_child;
"""


class Row(models.Model):
    """A bare request."""

    team = models.BigIntegerField(null=True)
    state = models.TextField()
    title = models.TextField()
    agency = models.TextField()
    at = models.DateTimeField()
    words = SearchVectorField()

    class Meta:
        managed = False
        db_table = "floor_row"

    def __str__(self) -> str:
        return str(self.pk)


class Child(models.Model):
    """What hangs on it."""

    row = models.ForeignKey(Row, models.CASCADE, related_name="children")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "floor_child"

    def __str__(self) -> str:
        return str(self.pk)


class Audit(models.Model):
    """That something happened."""

    row = models.ForeignKey(Row, models.CASCADE)
    name = models.TextField()
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "floor_audit"

    def __str__(self) -> str:
        return str(self.pk)


class Outbox(models.Model):
    """That somebody is to be told."""

    row = models.ForeignKey(Row, models.CASCADE)
    address = models.TextField()
    state = models.TextField(default="queued")
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "floor_outbox"

    def __str__(self) -> str:
        return str(self.pk)
