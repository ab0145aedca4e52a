"""Who works there, whom they serve, what they offer: plainly fictional."""

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal

from asd.models import (
    Agency,
    AgencyService,
    Agreement,
    Contact,
    CoveredService,
    RateCardLine,
    Service,
)
from discovery.models import Part, PartRate, PublishedList
from fulfillment.models import Membership, ProviderGroup
from workflow import clock
from workflow.leave_models import Leave
from workflow.models import Calendar, CalendarException, User, WorkingHours

PASSWORD = "throughline-demo"  # noqa: S105 - the demo accounts' public password
DAYS = 120

STAFF = [
    ("rep", "Robin", "Representative", {"is_representative": True}),
    ("rep2", "Riley", "Representative", {"is_representative": True}),
    ("billing", "Bailey", "Billing", {"is_billing": True}),
    ("asd", "Ash", "Database", {"is_asd_manager": True}),
    ("auditor", "Audrey", "Auditor", {"is_auditor": True}),
    ("admin", "Alex", "Admin", {"is_staff": True, "is_superuser": True}),
]
GROUPS = [
    ("Network Services", "network-services", ["lead", "specialist", "specialist2"]),
    ("Application Services", "application-services", ["lead_apps", "specialist_apps"]),
    ("Workplace Services", "workplace-services", ["lead_work", "specialist_work"]),
    ("Data Center", "data-center", ["lead_data", "specialist_data"]),
    ("Telephony", "telephony", ["lead_phone", "specialist_phone"]),
]
SERVICES = {
    "network-services": ["Wide-area link", "Wireless access", "VPN access", "Firewall rules"],
    "application-services": ["Web hosting", "Application support", "Forms and workflow",
                             "Reporting database"],
    "workplace-services": ["Workstation", "Shared mailbox", "File share", "Printing"],
    "data-center": ["Virtual server", "Backup", "Storage", "Database hosting"],
    "telephony": ["Desk phone", "Call queue", "Mobile line", "Conference room"],
}  # fmt: skip
AGENCIES = [
    "Bureau of Example Affairs", "Department of Sample Records", "Office of Test Licensing",
    "Commission on Model Parks", "Board of Placeholder Trades", "Division of Mock Revenue",
    "Institute of Trial Statistics", "Agency for Pretend Transit", "Council of Demo Libraries",
    "Authority for Imagined Waters", "Registry of Fictional Vessels", "Center for Made-up Science",
]  # fmt: skip
PARTS = [
    ("NET-0100", "Access switch, 24 ports", "910.00"),
    ("NET-0200", "Wireless access point", "340.00"),
    ("TEL-0100", "Desk handset", "120.00"),
    ("TEL-0200", "Conference unit", "690.00"),
    ("WRK-0100", "Workstation, standard", "980.00"),
    ("WRK-0200", "Docking station", "180.00"),
]


NEW_SERVICES = [
    "Lobby signage", "Archive climate", "Permit kiosk", "Annex badges", "Parking counter",
    "Field tablets", "Public terminals", "Visitor badges", "Meeting panels", "Scanner pool",
    "Hearing loops", "Lab gateways", "Bus monitors", "Vault alarms", "Desk sharing",
]  # fmt: skip


@dataclass
class Organisation:
    """What the stories act with."""

    people: dict[str, User] = field(default_factory=dict)
    groups: dict[str, ProviderGroup] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    current: list[Agency] = field(default_factory=list)
    others: list[Agency] = field(default_factory=list)
    new_names: list[str] = field(default_factory=lambda: [*NEW_SERVICES])

    def specialists(self, group: ProviderGroup) -> list[User]:
        """The members of a group who are not its lead."""
        return [m.user for m in group.memberships.select_related("user") if not m.is_lead]

    def lead(self, group: ProviderGroup) -> User:
        """The lead of a group."""
        return group.memberships.select_related("user").get(is_lead=True).user


def _person(username: str, first: str, last: str, **roles: bool) -> User:
    person, made = User.objects.get_or_create(
        username=username,
        defaults={
            "first_name": first,
            "last_name": last,
            "email": f"{username}@throughline.example",
            **roles,
        },
    )
    if made:
        person.set_password(PASSWORD)
        person.save()
    return person


def build() -> Organisation:
    """Make what is missing; what exists is left as it is."""
    made = Organisation()
    for username, first, last, roles in STAFF:
        made.people[username] = _person(username, first, last, **roles)
    rep, rep2 = made.people["rep"], made.people["rep2"]
    rep.deputy, rep2.deputy = rep2, rep
    User.objects.bulk_update([rep, rep2], ["deputy"])
    calendar = _calendar()
    since = clock.today() - timedelta(days=2 * 365)
    for name, slug, members in GROUPS:
        _group(made, name, slug, members, calendar, since)
    _hours(made)
    _agencies(made, since)
    _parts(since)
    return made


def _calendar() -> Calendar:
    calendar, made = Calendar.objects.get_or_create(
        name="Office hours", defaults={"is_default": True}
    )
    if made:
        for weekday in range(5):
            WorkingHours.objects.create(
                calendar=calendar, weekday=weekday, opens=time(8), closes=time(17)
            )
    return calendar


def _hours(made: Organisation) -> None:
    """One group with hours of its own, somebody part time, somebody on leave soon (F1)."""
    long, fresh = Calendar.objects.get_or_create(name="Data center, two shifts")
    if not fresh:
        return
    for weekday in range(6):
        closes = time(14) if weekday == 5 else time(20)
        WorkingHours.objects.create(calendar=long, weekday=weekday, opens=time(6), closes=closes)
    CalendarException.objects.create(
        calendar=long, day=clock.today() + timedelta(days=21), opens=time(6), closes=time(10),
        note="Power tests from ten",
    )  # fmt: skip
    group = made.groups["data-center"]
    group.calendar = long
    group.save(update_fields=["calendar"])
    part_time = Membership.objects.get(user=made.people["specialist2"])
    part_time.week = [Decimal(h) for h in (8, 8, 4, 8, 0, 0, 0)]
    part_time.save(update_fields=["week"])
    first = clock.today() + timedelta(days=9)
    Leave.objects.create(
        user=made.people["specialist"], first_day=first, last_day=first + timedelta(days=4),
        note="Vacation", added_by=made.people["lead"],
    )  # fmt: skip


def _group(
    made: Organisation, name: str, slug: str, members: list[str], calendar: Calendar, since: date
) -> None:
    group, _ = ProviderGroup.objects.get_or_create(
        slug=slug,
        defaults={"name": name, "calendar": calendar, "email": f"{slug}@throughline.example"},
    )
    made.groups[slug] = group
    for number, username in enumerate(members):
        what = "Lead" if number == 0 else f"Specialist {number}"
        person = _person(username, name.split()[0], what)
        made.people[username] = person
        Membership.objects.get_or_create(
            group=group, user=person, defaults={"is_lead": number == 0}
        )
    for service in SERVICES[slug]:
        made.services.append(
            Service.objects.get_or_create(
                slug=service.lower().replace(" ", "-"),
                defaults={
                    "name": service,
                    "provider_group": group,
                    "live_on": since,
                    "description": f"{service}, provided and looked after by {name}.",
                },
            )[0]
        )


def _agencies(made: Organisation, since: date) -> None:
    for number, name in enumerate(AGENCIES):
        agency, fresh = Agency.objects.get_or_create(
            code=f"{100 + number * 7}",
            defaults={
                "name": name,
                "representative": made.people["rep" if number % 2 else "rep2"],
                "deputy": made.people["rep2" if number % 2 else "rep"],
                "known_to_billing": number < 10,
            },
        )
        current = number < 10
        (made.current if current else made.others).append(agency)
        if fresh:
            _contacts(agency, number)
            if current:
                _agreement(made, agency, number, since)


def _contacts(agency: Agency, number: int) -> None:
    host = f"agency{number + 1}.example"
    for name, box, signs in (
        ("Casey Contact", "casey", False),
        ("Sam Signatory", "sam", True),
        ("Wren Watcher", "wren", False),
    ):
        Contact.objects.create(
            agency=agency,
            name=name,
            email=f"{box}@{host}",
            is_signatory=signs,
            phone=f"555-01{number:02d}",
            language="es" if box == "wren" and number % 4 == 0 else "en",
        )


def _agreement(made: Organisation, agency: Agency, number: int, since: date) -> None:
    agreement = Agreement.objects.create(
        agency=agency,
        reference=f"SLA-{agency.code}-1",
        starts_on=since,
        ends_on=clock.today() + timedelta(days=30 + 60 * number),
    )
    for position, service in enumerate(made.services):
        if (position + number) % 7 == 0:
            continue
        CoveredService.objects.create(agreement=agreement, service=service)
        RateCardLine.objects.create(
            agreement=agreement,
            service=service,
            rate=Decimal(70 + 5 * (position % 6)),
            valid_from=since,
        )
        if position % 3 == 0:
            AgencyService.objects.create(agency=agency, service=service, since=since)


def _parts(since: date) -> None:
    for number, name, rate in PARTS:
        part, fresh = Part.objects.get_or_create(number=number, defaults={"name": name})
        if fresh:
            PartRate.objects.create(
                part=part,
                rate=Decimal(rate),
                basis="Vendor price of the state contract plus handling.",
                billing_code=f"B-{number}",
                valid_from=since,
                listed_at=clock.now() - timedelta(days=DAYS),
            )
    if not PublishedList.objects.exists():
        PublishedList.objects.create(
            number=1,
            published_at=clock.now() - timedelta(days=DAYS),
            rows=[{"part": n, "name": name, "rate": rate} for n, name, rate in PARTS],
        )
