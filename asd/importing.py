"""First-start import of services, agencies, contacts and SLAs from CSV: checked by the same forms
that people fill in, all or nothing, every row that does not do named with its line and reason."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pghistory
from django import forms
from django.contrib.auth import get_user_model
from django.db import transaction
from django.forms.models import model_to_dict

from asd.actions import free_slug
from asd.forms import AgencyForm, AgreementForm, ContactForm, CoveredForm, RateForm, ServiceForm
from asd.models import Agency, Agreement, Contact, CoveredService, RateCardLine, Service, normalised
from workflow.upkeep import edited

YES = {"yes", "y", "true", "1", "x"}
NO = {"no", "n", "false", "0", ""}
COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "services": (("name",), ("description", "provider_group", "owner", "live_on")),
    "agencies": (
        ("code", "name"),
        ("representative", "deputy", "known_to_billing", "notes"),
    ),
    "contacts": (("agency", "name"), ("email", "phone", "language", "signatory")),
    "slas": (
        ("agency", "reference", "starts_on"),
        (
            "kind", "ends_on", "notes", "service", "limit", "response_hours",
            "assistance_hours", "enhancement_hours", "rate", "unit", "currency", "rate_from",
        ),
    ),
}  # fmt: skip
ORDER = tuple(COLUMNS)
AGREEMENT = ("kind", "reference", "starts_on", "ends_on", "notes")
COVERED = ("limit", "response_hours", "assistance_hours", "enhancement_hours")


class BadRow(Exception):  # noqa: N818 - what is said about a row, not a crash
    """Why a row cannot be taken."""


class NotImported(Exception):  # noqa: N818 - carries sentences for the person who imports
    """Nothing was written; `sentences` say which file, line and why."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


@dataclass
class Report:
    """What was made, or would be: one line each, in the order of the files."""

    lines: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def note(self, kind: str, verb: str, label: str) -> None:
        counts = self.counts.setdefault(kind, {"new": 0, "changed": 0, "unchanged": 0})
        counts[verb] += 1
        if verb != "unchanged":
            self.lines.append(f"{verb:>7}  {kind}: {label}")

    def summary(self) -> list[str]:
        return [
            f"{kind}: " + ", ".join(f"{n} {verb}" for verb, n in counts.items())
            for kind, counts in self.counts.items()
        ]


def files_in(paths: list[Path]) -> list[tuple[str, Path]]:
    """The known files of a folder or of a list, in the order in which they need each other."""
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise NotImported([f"{path}: there is no such file or folder."])
        for one in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
            kind = one.stem.lower()
            if kind not in COLUMNS:
                if not path.is_dir():
                    raise NotImported([f"{one.name}: call it one of {_names()}."])
                continue
            if kind in found:
                raise NotImported([f"{kind}.csv is given twice."])
            found[kind] = one
    if not found:
        raise NotImported([f"Nothing to import: none of {_names()} is there."])
    return [(kind, found[kind]) for kind in ORDER if kind in found]


def _names() -> str:
    return ", ".join(f"{kind}.csv" for kind in ORDER)


def import_files(paths: list[Path], *, dry_run: bool) -> Report:
    """Take in what the files say; with `dry_run` nothing stays. Raises NotImported."""
    report, errors = Report(), []
    with transaction.atomic(), pghistory.context(name="Import"):
        for kind, path in files_in(paths):
            errors += _import_file(kind, path, report)
        if errors:
            raise NotImported(errors)
        if dry_run:
            transaction.set_rollback(True)
    return report


def _import_file(kind: str, path: Path, report: Report) -> list[str]:
    take: Callable[[dict[str, str], Report], Any] = TAKERS[kind]
    errors: list[str] = []
    seen: dict[Any, int] = {}
    try:
        for line, row in rows_of(kind, path):
            try:
                with transaction.atomic():
                    key = take(row, report)
                if key in seen:
                    raise BadRow(f"the same as line {seen[key]}.")
                seen[key] = line
            except BadRow as wrong:
                errors.append(f"{path.name}, line {line}: {wrong}")
    except BadRow as wrong:
        errors.append(f"{path.name}: {wrong}")
    return errors


def rows_of(kind: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with their line numbers; columns are checked before the first."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRow("it is not UTF-8: save it as CSV UTF-8.") from error
    if "\x00" in text:
        raise BadRow("it contains characters that are no text.")
    head = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ","
    )
    _check_columns(kind, reader)
    for row in reader:
        if None in row:
            raise BadRow(f"line {reader.line_num} has more cells than the first line.")
        cells = {key: normalised(value or "") for key, value in row.items()}
        if any(cells.values()):
            yield reader.line_num, cells


def _check_columns(kind: str, reader: Any) -> None:
    needed, optional = COLUMNS[kind]
    given = [(name or "").strip().lower() for name in reader.fieldnames or []]
    reader.fieldnames = given
    missing = [name for name in needed if name not in given]
    unknown = [name for name in given if name not in (*needed, *optional)]
    if missing:
        raise BadRow(f"the column {missing[0]} is missing.")
    if unknown:
        known = ", ".join((*needed, *optional))
        raise BadRow(f"the column {unknown[0] or '(without a name)'} is not known; known: {known}.")
    if len(set(given)) < len(given):
        raise BadRow("a column is there twice.")


# One row of each file


def _take(
    report: Report,
    kind: str,
    form_class: type[forms.ModelForm],
    instance: Any,
    given: dict[str, Any],
) -> Any:
    """Fill the form that people fill in, from the row and from what is there; save and report."""
    fields = form_class._meta.fields
    data = model_to_dict(instance, fields=fields)
    data = {k: "" if v is None else v for k, v in data.items()} | given
    form = form_class(data, instance=instance)
    new = instance.pk is None
    if not form.is_valid():
        first, errors = next(iter(form.errors.items()))
        raise BadRow(f"{'' if first == '__all__' else f'{first}: '}{errors[0]}")
    changed = new or form.has_changed()
    saved = form.save() if changed else instance
    report.note(kind, "new" if new else "changed" if changed else "unchanged", str(saved))
    return saved


def _yes(row: dict[str, str], name: str) -> bool:
    word = row[name].lower()
    if word not in YES | NO:
        raise BadRow(f"{name}: say yes or no, not {row[name]}.")
    return word in YES


def _person(row: dict[str, str], name: str, **roles: bool) -> Any:
    """A member of staff by user name or e-mail address."""
    text = row[name]
    people = get_user_model().objects.filter(is_active=True, **roles)
    found = people.filter(username__iexact=text) | people.filter(email__iexact=text)
    person = found.first()
    if text and person is None:
        raise BadRow(f"{name}: there is nobody called {text} who could be it.")
    return person.pk if person else ""


def _service(name: str) -> Service | None:
    same = Service.objects.filter(name__iexact=name) | Service.objects.filter(slug=name)
    return same.exclude(state__in=["retired", "cancelled"]).first()


def take_service(row: dict[str, str], report: Report) -> Any:
    """A service that is provided already: it begins as live."""
    service = _service(row["name"]) or Service(slug=free_slug(row["name"]))
    given: dict[str, Any] = {"name": row["name"]}
    if "description" in row:
        given["description"] = row["description"]
    if "provider_group" in row:
        given["provider_group"] = _group(row["provider_group"])
    if "owner" in row:
        given["owner"] = _person(row, "owner")
    if row.get("live_on"):
        service.live_on = _day("live_on", row["live_on"])
    saved = _take(report, "services", ServiceForm, service, given)
    if row.get("live_on"):
        saved.save(update_fields=["live_on"])
    return saved.pk


def _group(text: str) -> Any:
    groups: Any = forms.models.fields_for_model(Service, ["provider_group"])["provider_group"]
    groups = groups.queryset
    group = (groups.filter(slug=text) | groups.filter(name__iexact=text)).first()
    if text and group is None:
        raise BadRow(f"provider_group: there is no group {text}.")
    return group.pk if group else ""


def _day(name: str, text: str) -> Any:
    try:
        return forms.DateField().clean(text)
    except forms.ValidationError as error:
        raise BadRow(f"{name}: write the date as 2026-01-31, not {text}.") from error


def take_agency(row: dict[str, str], report: Report) -> Any:
    """An agency, found again by its number or, failing that, its name."""
    by_code = Agency.objects.filter(code__iexact=row["code"]).first()
    by_name = Agency.objects.filter(name__iexact=row["name"]).first()
    if by_code and by_name and by_code != by_name:
        raise BadRow(f"number {row['code']} is {by_code}, but {by_name} is {by_name.code}.")
    agency = by_code or by_name or Agency()
    if by_name and not by_code:
        raise BadRow(f"{by_name} is there already, with the number {by_name.code}.")
    given: dict[str, Any] = {"name": row["name"], "code": row["code"], "is_active": "on"}
    for name in ("representative", "deputy"):
        if name in row:
            given[name] = _person(row, name, is_representative=True)
    if "notes" in row:
        given["notes"] = row["notes"]
    known = _yes(row, "known_to_billing") if "known_to_billing" in row else None
    saved = _take(report, "agencies", AgencyForm, agency, given)
    if known is not None and saved.known_to_billing != known:
        saved.known_to_billing = known
        saved.save(update_fields=["known_to_billing"])
    return saved.pk


def _agency(row: dict[str, str]) -> Agency:
    text = row["agency"]
    found = Agency.objects.filter(code__iexact=text) | Agency.objects.filter(name__iexact=text)
    agency = found.first()
    if agency is None:
        raise BadRow(f"agency: there is no agency {text or '(empty)'}.")
    return agency


def take_contact(row: dict[str, str], report: Report) -> Any:
    """A person at an agency, found again by address or, without one, by name."""
    agency = _agency(row)
    email = row.get("email", "")
    same = {"email__iexact": email} if email else {"name__iexact": row["name"]}
    contact = Contact.objects.filter(agency=agency, **same).first() or Contact(agency=agency)
    given: dict[str, Any] = {"name": row["name"], "email": email, "is_active": "on"}
    if "phone" in row:
        given["phone"] = row["phone"]
    if row.get("language"):
        given["language"] = row["language"].lower()
    if "signatory" in row:
        given["is_signatory"] = "on" if _yes(row, "signatory") else ""
    return _take(report, "contacts", ContactForm, contact, given).pk


def take_sla(row: dict[str, str], report: Report) -> Any:
    """An agreement; each further row of the same reference covers one more service."""
    agency = _agency(row)
    agreement = Agreement.objects.filter(reference__iexact=row["reference"]).first()
    if agreement is not None and agreement.agency_id != agency.pk:
        raise BadRow(f"{agreement.reference} is an agreement of {agreement.agency}.")
    given = {name: row[name] for name in AGREEMENT if name in row}
    given["kind"] = row.get("kind", "").lower() or "sla"
    saved = _take(report, "slas", AgreementForm, agreement or Agreement(agency=agency), given)
    if not row.get("service"):
        return saved.pk, None
    service = _service(row["service"])
    if service is None:
        raise BadRow(f"service: there is no service {row['service']}.")
    _take_coverage(report, saved, service, row)
    edited("agency", agency)
    if row.get("rate"):
        _take_rate(report, saved, service, row)
    return saved.pk, service.pk, row.get("unit", ""), row.get("rate_from", "")


def _take_coverage(
    report: Report, agreement: Agreement, service: Service, row: dict[str, str]
) -> None:
    line = CoveredService.objects.filter(agreement=agreement, service=service).first()
    line = line or CoveredService(agreement=agreement)
    given = {name: row[name] for name in COVERED if row.get(name)}
    _take(report, "covered services", CoveredForm, line, {"service": service.pk, **given})


def _take_rate(report: Report, agreement: Agreement, service: Service, row: dict[str, str]) -> None:
    unit = row.get("unit") or "hour"
    since = _day("rate_from", row["rate_from"]) if row.get("rate_from") else agreement.starts_on
    same = RateCardLine.objects.filter(
        agreement=agreement, service=service, unit=unit, valid_from=since
    )
    _take(
        report,
        "rates",
        RateForm,
        same.first() or RateCardLine(agreement=agreement),
        {
            "service": service.pk,
            "unit": unit,
            "rate": row["rate"],
            "valid_from": since,
            "currency": row.get("currency") or "USD",
        },
    )


TAKERS: dict[str, Callable[[dict[str, str], Report], Any]] = {
    "services": take_service,
    "agencies": take_agency,
    "contacts": take_contact,
    "slas": take_sla,
}
