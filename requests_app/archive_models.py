"""What is left of the notices of an archived request: one packed row."""

from django.db import models

from workflow import clock


class NoticeArchive(models.Model):
    """All that was said about one request, in one text that PostgreSQL compresses.

    Its SHA-256 stands in the event of the archiving too, so a changed text is found by `verify`.
    """

    request = models.OneToOneField(
        "requests_app.Request", models.PROTECT, primary_key=True, related_name="notice_archive"
    )
    notices = models.TextField(help_text="JSON as Django's serializer writes it.")
    count = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = "archived notices"
        verbose_name_plural = "archived notices"

    def __str__(self) -> str:
        return f"{self.request}: {self.count}"
