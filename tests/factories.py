"""The people, agencies and services that tests need; everything else is made through the door."""

from datetime import timedelta
from decimal import Decimal

import factory
from django.contrib.auth import get_user_model

from asd.models import Agency, Agreement, Contact, CoveredService, RateCardLine, Service
from discovery.models import Part, PartRate
from fulfillment.models import Membership, ProviderGroup
from requests_app.intake import take_in
from requests_app.models import Request
from workflow import clock


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    first_name = "Person"
    last_name = factory.Sequence(lambda n: f"Number {n}")
    email = factory.LazyAttribute(lambda o: f"{o.username}@staff.example")
    password = factory.django.Password("throughline-test")

    class Params:
        rep = factory.Trait(is_representative=True)
        billing = factory.Trait(is_billing=True)
        asd = factory.Trait(is_asd_manager=True)
        auditor = factory.Trait(is_auditor=True)
        admin = factory.Trait(is_superuser=True, is_staff=True)


class ProviderGroupFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ProviderGroup

    name = factory.Sequence(lambda n: f"Group {n}")
    slug = factory.Sequence(lambda n: f"group-{n}")


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    group = factory.SubFactory(ProviderGroupFactory)
    user = factory.SubFactory(UserFactory)


class ServiceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Service {n}")
    slug = factory.Sequence(lambda n: f"service-{n}")
    provider_group = factory.SubFactory(ProviderGroupFactory)


class AgencyFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Agency

    name = factory.Sequence(lambda n: f"Agency {n}")
    code = factory.Sequence(lambda n: f"A{n:04d}")
    representative = factory.SubFactory(UserFactory, rep=True)
    known_to_billing = True


class ContactFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Contact

    agency = factory.SubFactory(AgencyFactory)
    name = factory.Sequence(lambda n: f"Contact {n}")
    email = factory.Sequence(lambda n: f"contact{n}@agency.example")
    is_signatory = True


class AgreementFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Agreement

    agency = factory.SubFactory(AgencyFactory)
    reference = factory.Sequence(lambda n: f"SLA-{n:04d}")
    starts_on = factory.LazyFunction(lambda: clock.today() - timedelta(days=365))
    ends_on = factory.LazyFunction(lambda: clock.today() + timedelta(days=365))


class CoveredServiceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = CoveredService

    agreement = factory.SubFactory(AgreementFactory)
    service = factory.SubFactory(ServiceFactory)


class RateCardLineFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = RateCardLine

    agreement = factory.SubFactory(AgreementFactory)
    service = factory.SubFactory(ServiceFactory)
    rate = Decimal("95.00")
    valid_from = factory.LazyFunction(lambda: clock.today() - timedelta(days=365))


class PartFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Part

    number = factory.Sequence(lambda n: f"P-{n:04d}")
    name = factory.Sequence(lambda n: f"Part {n}")


class PartRateFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = PartRate

    part = factory.SubFactory(PartFactory)
    rate = Decimal("120.00")
    basis = "Vendor price plus handling"
    billing_code = factory.Sequence(lambda n: f"BC{n:04d}")
    valid_from = factory.LazyFunction(lambda: clock.today() - timedelta(days=30))
    listed_at = factory.LazyFunction(clock.now)


class Office:
    """A small living office: one agency with an SLA, one group with a lead and two specialists."""

    def __init__(self) -> None:
        self.rep = UserFactory(rep=True)
        self.rep2 = UserFactory(rep=True)
        self.billing = UserFactory(billing=True)
        self.asd = UserFactory(asd=True)
        self.auditor = UserFactory(auditor=True)
        self.group = ProviderGroupFactory()
        self.lead = MembershipFactory(group=self.group, is_lead=True).user
        self.specialist = MembershipFactory(group=self.group).user
        self.specialist2 = MembershipFactory(group=self.group).user
        self.other_group = ProviderGroupFactory()
        self.stranger = MembershipFactory(group=self.other_group).user
        self.service = ServiceFactory(provider_group=self.group)
        self.agency = AgencyFactory(representative=self.rep)
        self.contact = ContactFactory(agency=self.agency)
        self.agreement = AgreementFactory(agency=self.agency)
        CoveredServiceFactory(agreement=self.agreement, service=self.service)
        self.rate = RateCardLineFactory(agreement=self.agreement, service=self.service)

    def request(self, **fields: object) -> Request:
        """A new request of the agency, in triage."""
        given = {
            "by": self.rep,
            "agency": self.agency,
            "contact": self.contact,
            "title": "A new line for the front desk",
            "description": "One line, one handset, from next month.",
            "service": self.service,
        }
        return take_in(**{**given, **fields})
