"""What finance gets: each charge line with its case, as CSV, JSON or a PDF to keep (F13)."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import typst
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import date_format

from billing.explain import checks, explained
from billing.models import BillingCase, BillingState
from workflow import clock
from workflow.exports import Column, csv_response

KEYS = (
    "billing_case", "state", "request", "request_title", "agency", "agency_code", "avenue",
    "finance_number", "billed_from", "initiated_on", "initiated_by", "purchase_order",
    "line", "description", "basis", "rate_source", "evidence", "quantity", "unit", "rate",
    "amount", "currency", "sign",
)  # fmt: skip
COLUMNS: list[Column] = [(key, key) for key in KEYS]


def case_data(case: BillingCase) -> dict[str, Any]:
    """A billing case in plain values, its lines explained."""
    request = case.request
    return {
        "billing_case": case.reference,
        "state": case.state,
        "request": request.reference,
        "request_title": request.title,
        "agency": request.agency.name,
        "agency_code": request.agency.code,
        "avenue": case.avenue,
        "finance_number": case.finance_number,
        "billed_from": case.starts_on,
        "initiated_on": _day(case.initiated_at),
        "initiated_by": str(case.initiated_by or ""),
        "purchase_order": case.purchase_order.number if case.purchase_order else "",
        "currency": case.currency,
        "total": case.total,
        "credited_on": _day(case.state_since) if case.state == BillingState.CREDITED else None,
        "lines": [
            {
                "line": number,
                "description": row.line.description,
                "basis": row.line.basis,
                "rate_source": row.source,
                "evidence": row.line.evidence,
                "quantity": row.line.quantity,
                "unit": row.line.unit,
                "measured": row.measured,
                "rate": row.line.rate,
                "amount": row.line.amount,
            }
            for number, row in enumerate(explained(case), start=1)
        ],
    }


def _day(moment: Any) -> date | None:
    return timezone.localdate(moment) if moment else None


def rows(cases: Iterable[BillingCase]) -> Iterator[dict[str, Any]]:
    """One row a line; a credited case has each line twice, charged and taken back."""
    for case in cases:
        data = case_data(case)
        for sign in (1, -1) if case.state == BillingState.CREDITED else (1,):
            for line in data["lines"]:
                amount: Decimal = line["amount"] * sign
                yield {**data, **line, "amount": amount, "sign": "charge" if sign > 0 else "credit"}


def as_csv(cases: Iterable[BillingCase], filename: str) -> Any:
    """For the spreadsheet or the finance system; harmless in both."""
    return csv_response(rows(cases), COLUMNS, filename)


def as_json(cases: Iterable[BillingCase], filename: str) -> HttpResponse:
    """The same, by case, amounts as text so that no cent is lost."""
    body = json.dumps(
        {"exported_at": clock.now(), "billing_cases": [case_data(case) for case in cases]},
        cls=DjangoJSONEncoder,
        indent=2,
    )
    response = HttpResponse(body, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


@lru_cache(maxsize=1)
def _typst_source() -> bytes:
    return (settings.BASE_DIR / "templates" / "billing" / "charge.typ").read_bytes()


def _compiled(data: str) -> bytes:
    """Accessible PDF/UA-1; where a name has a letter that no font shows, a plain PDF instead."""
    source, inputs = _typst_source(), {"data": data}
    try:
        return typst.compile(source, format="pdf", sys_inputs=inputs, pdf_standards=["ua-1"])
    except typst.TypstError:
        return typst.compile(source, format="pdf", sys_inputs=inputs)


def as_pdf(case: BillingCase) -> HttpResponse:
    """The charge as a document a person can keep."""
    pdf = _compiled(json.dumps(_printed(case), cls=DjangoJSONEncoder))
    response = HttpResponse(pdf, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{case.reference}.pdf"'
    return response


def _printed(case: BillingCase) -> dict[str, Any]:
    """What the page of paper says, every value as the text it stands there as."""
    data = case_data(case)
    return {
        **{key: _text(value) for key, value in data.items() if key != "lines"},
        "state": case.get_state_display(),
        "avenue": case.get_avenue_display() if case.avenue else "",
        "total": f"{case.currency} {case.total:,.2f}",
        "printed_on": date_format(clock.today(), "j M Y"),
        "lines": [
            {
                **{key: _text(value) for key, value in line.items()},
                "rate": f"{line['rate']:,.2f}",
                "amount": f"{line['amount']:,.2f}",
            }
            for line in data["lines"]
        ],
        "checks": [
            f"{check['title']}: {check['said']}" for check in checks(case) if not check["holds"]
        ],
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return date_format(value, "j M Y") if isinstance(value, date) else str(value)
