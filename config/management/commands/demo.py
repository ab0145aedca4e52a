"""`manage.py demo`: a fictional organisation with 120 days of history, made through the door."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.demo.letters import deliver_all
from config.demo.organisation import PASSWORD, build
from config.demo.stories import tell_all
from discovery.models import Proposal
from requests_app.models import Request
from requests_app.tracking import tracking_url


class Command(BaseCommand):
    help = "Make the demo accounts and, once, about 150 requests in every state."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--requests", type=int, default=150)
        parser.add_argument("--seed", type=int, default=7)

    def handle(self, *args: Any, requests: int, seed: int, **options: Any) -> None:
        organisation = build()
        if Request.objects.exists():
            self.stdout.write("Accounts and services are up to date; there are requests already.")
            return
        made = tell_all(organisation, requests, seed)
        deliver_all()
        self.stdout.write(f"{made} requests made. Every account's password is {PASSWORD}.")
        waiting = Proposal.objects.filter(state="issued").order_by("pk").last()
        if waiting is not None:
            signatory = waiting.request.agency.contacts.signatories().first()
            address = tracking_url(waiting.request, signatory, "proposal/")
            self.stdout.write(f"A customer's page, with a proposal to decide on: {address}")
