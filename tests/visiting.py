"""Opening a request's page as a customer does: by the link of a mail, which becomes a cookie."""

from typing import Any

from django.test import Client

from asd.models import Contact
from requests_app.models import Request
from requests_app.tracking import tracking_url


def link_of(request: Request, contact: Contact | None = None) -> str:
    """The path of the contact's own link."""
    url = tracking_url(request, contact or request.contact)
    return url[url.index("/track/") :]


def visit(request: Request, contact: Contact | None = None, client: Client | None = None) -> Client:
    """A browser that has opened the contact's link."""
    browser = client or Client()
    answer = browser.get(link_of(request, contact))
    assert answer.status_code == 302
    assert answer["Location"] == page_of(request)
    return browser


def page_of(request: Request) -> str:
    return f"/tracked/{request.reference}/"


def send(browser: Client, request: Request, name: str, **data: Any) -> Any:
    """Send one form of the customer's page."""
    return browser.post(f"{page_of(request)}actions/{name}/", data)
