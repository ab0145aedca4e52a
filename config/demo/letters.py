"""Mail that came in lately: an answer on its case, a request, and what waits for a decision."""

from datetime import timedelta
from email.message import EmailMessage

from asd.models import Contact
from config.demo.teller import PAPER
from requests_app.case_models import TrackingToken
from requests_app.mail_in.addresses import address_of
from requests_app.mail_in.processing import process
from requests_app.mail_in.store import store
from requests_app.models import Request
from requests_app.states import S
from workflow import clock

DESK = "requests@throughline.example"
ANSWER = """The second floor, please, beside the lifts. The plan is attached.

-- 
{name}
Facilities

On Tuesday the service desk wrote:
> Which floor is it for, and is there a plan of it?
"""
WISH = """Hello,

six of our field staff got new tablets. Could they have the same access as everybody else?
They start on the first of next month.

Best regards,
{name}
"""
STRANGER = """Good morning,

I was told you are the ones to ask about a line for our new office. Who do I talk to, and what
do you need from us?

> Forwarded by the front desk

Pat Lindqvist
"""
OTHER = "This is my private address, I am travelling. Yes, go ahead with it."
OFFER = "Dear Sir or Madam, lower your telephone bill by 80 percent. Open the attached file."


def _letter(
    sender: str, to: str, subject: str, text: str, files: dict[str, bytes] | None = None
) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made.set_content(text)
    for name, content in (files or {}).items():
        made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


def deliver_all() -> None:
    """Store and read the messages, each at its moment."""
    plan = [(3, _wish()), (9, _letter("Pat Lindqvist <pat@countylibraries.example>", DESK,
            "A line for a new office", STRANGER)),
            (26, _letter("Best Rates <win@cheap-lines.example>", DESK, "URGENT: your bill",
            OFFER, {"invoice.exe": b"MZ"}))]  # fmt: skip
    token = _token()
    if token is not None:
        who, to = token.contact, address_of(token, DESK)
        words = ANSWER.format(name=who.name)
        about = f"Re: {token.request.reference} {token.request.title}"
        own = f"{who.name} <{who.email}>"
        plan += [(2, _letter(own, to, about, words, {"floor plan.pdf": PAPER})),
                 (5, _letter(f"{who.name} <home@mail.example>", to, about, OTHER))]  # fmt: skip
    for hours, raw in sorted(plan, key=lambda row: -row[0]):
        with clock.acting_at(clock.now() - timedelta(hours=hours)):
            process(store(raw, source="pipe").pk)


def _wish() -> bytes:
    contact = Contact.objects.active().exclude(email="").order_by("pk").first()
    name, email = (contact.name, contact.email) if contact else ("Nobody", "nobody@x.example")
    subject = "Fwd: Access for our tablets"
    return _letter(f"{name} <{email}>", DESK, subject, WISH.format(name=name))


def _token() -> TrackingToken | None:
    """Of a request in work, whose contact answers."""
    working = Request.objects.filter(state=S.ASSIGNED, held_since__isnull=True)
    tokens = TrackingToken.objects.filter(request__in=working).exclude(contact__email="")
    return tokens.select_related("request", "contact").order_by("pk").last()
