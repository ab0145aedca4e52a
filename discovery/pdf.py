"""The proposal as a PDF: the exact document that the customer accepts."""

from discovery.models import Proposal
from requests_app.documents import HEAD, render
from workflow import clock


def proposal_pdf(proposal: Proposal) -> bytes:
    """The exact document that the customer accepts (D8, D9)."""
    request, currency = proposal.request, proposal.currency
    totals = [["One-off total", f"{currency} {proposal.one_off_total:,.2f}"]]
    if proposal.monthly_total:
        totals.append(["Per month", f"{currency} {proposal.monthly_total:,.2f}"])
    return render(
        {
            "title": f"Proposal {proposal}",
            "reference": f"{proposal} for {request.reference}",
            "facts": [
                ["For", request.agency.name],
                ["Request", f"{request.reference}: {request.title}"],
                ["Date", f"{clock.today():%d %B %Y}"],
                ["Valid until", f"{proposal.valid_until:%d %B %Y}" if proposal.valid_until else ""],
            ],
            "parts": [
                [name, text]
                for name, text in (
                    ("What we propose", proposal.summary),
                    ("New service", proposal.new_service_name),
                    ("Assumptions and exclusions", proposal.assumptions),
                    ("Terms", proposal.terms),
                )
                if text
            ],
            "table": "Price",
            "head": HEAD,
            "rows": [
                [
                    line.description + (" (per month)" if line.kind == line.Kind.RECURRING else ""),
                    f"{line.quantity.normalize():f}",
                    line.unit,
                    f"{line.rate:,.2f}",
                    f"{line.amount:,.2f}",
                ]
                for line in proposal.lines.all()
            ],
            "totals": totals,
        }
    )
