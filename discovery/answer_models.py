"""Who answered a proposal: the record of the customer's decision, written once."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from discovery.proposal_models import Proposal
from workflow import clock


class ProposalAnswer(models.Model):
    """The decision on one version: who, when, from where, about which exact document (D9, S1.7d).

    One row per version and never changed: a database trigger refuses it. `sha256` is of the PDF
    that was shown; the same bytes lie on the case.
    """

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")

    class Way(models.TextChoices):
        PAGE = "page", _("on the customer's page")
        RECORDED = "recorded", _("recorded by the representative")

    proposal = models.OneToOneField(Proposal, models.PROTECT, related_name="answer")
    verdict = models.CharField(max_length=8, choices=Verdict)
    way = models.CharField(max_length=8, choices=Way)
    contact = models.ForeignKey(
        "asd.Contact", models.PROTECT, null=True, blank=True, related_name="+"
    )
    signatory_named = models.BooleanField(
        help_text=_("Whether the office had named this person as one who may sign.")
    )
    name = models.CharField(max_length=120)
    title = models.CharField(max_length=70, blank=True)
    given_on = models.DateField(default=clock.today)
    at = models.DateTimeField(default=clock.now)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    language = models.CharField(max_length=10, blank=True)
    sha256 = models.CharField(max_length=64)
    note = models.TextField(max_length=2000, blank=True)
    evidence = models.ForeignKey(
        "requests_app.Attachment", models.PROTECT, null=True, blank=True, related_name="+"
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(way="recorded", recorded_by__isnull=False)
                | Q(way="page", contact__isnull=False),
                name="proposal_answer_says_who",
            )
        ]
        triggers = [
            pgtrigger.Protect(name="write_once", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.proposal}: {self.verdict} by {self.name}"

    @property
    def signed(self) -> str:
        """Name and title as they were typed."""
        return ", ".join(filter(None, [self.name, self.title]))
