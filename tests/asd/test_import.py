"""First-start import: templates work, wrong rows are named, nothing or everything."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from asd.models import Agency, Agreement, Contact, CoveredService, RateCardLine, Service
from tests.factories import Office

TEMPLATES = Path(__file__).resolve().parents[2] / "docs" / "import"
MODELS = (Service, Agency, Contact, Agreement, CoveredService, RateCardLine)

pytestmark = pytest.mark.django_db


def run(*paths: Path, **options: Any) -> str:
    out = StringIO()
    call_command("import_asd", *[str(p) for p in paths], stdout=out, **options)
    return out.getvalue()


def counted() -> list[int]:
    return [model.objects.count() for model in MODELS]


def files(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def refused(*paths: Path) -> str:
    before = counted()
    with pytest.raises(CommandError) as caught:
        run(*paths)
    assert counted() == before
    return str(caught.value)


def test_the_templates_of_the_docs_can_be_imported() -> None:
    assert "Imported." in run(TEMPLATES)
    assert counted() == [3, 3, 4, 3, 3, 3]
    sla = Agreement.objects.get(reference="SLA-901-1")
    assert sla.covered.get(service__name="Sample mailbox").limit == 5
    assert sla.agency.code == "901"
    assert Service.objects.get(name="Sample line").state == "live"


def test_a_dry_run_says_what_would_be_made_and_makes_nothing() -> None:
    said = run(TEMPLATES, dry_run=True)
    assert "new  agencies: Bureau of Sample Forms" in said
    assert "contacts: 4 new, 0 changed, 0 unchanged" in said
    assert "Nothing was written" in said
    assert counted() == [0] * 6


def test_importing_again_changes_nothing_and_a_changed_row_only_that(tmp_path: Path) -> None:
    run(TEMPLATES)
    again = run(TEMPLATES)
    assert "1 new" not in again
    assert "1 changed" not in again
    files(tmp_path, agencies="code,name\n901,Bureau of Example Forms\n")
    assert "changed  agencies: Bureau of Example Forms" in run(tmp_path / "agencies.csv")
    agency = Agency.objects.get(code="901")
    assert agency.known_to_billing, "a column that is left out leaves what is there"


def test_every_wrong_row_is_named_with_file_line_and_reason(tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        agencies=(
            "code,name,representative,known_to_billing\n"
            "1,Good One,,yes\n"
            "2,,,\n"
            "3,Nobody There,ghost,\n"
            "4,Maybe Known,,perhaps\n"
            "a b,Bad Number,,\n"
            "1,Another,,\n"
        ),
        contacts="agency,name,email\n99,Lost,lost@a.example\n1,No Address,nowhere\n",
    )
    said = refused(folder)
    for sentence in (
        "agencies.csv, line 3: name: This field is required.",
        "agencies.csv, line 4: representative: there is nobody called ghost",
        "agencies.csv, line 5: known_to_billing: say yes or no, not perhaps.",
        "agencies.csv, line 6: code: Letters, digits",
        "agencies.csv, line 7: the same as line 2.",
        "contacts.csv, line 2: agency: there is no agency 99.",
        "contacts.csv, line 3: email: Enter a valid email address.",
    ):
        assert sentence in said
    assert not Agency.objects.exists()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("1,S-1,2026-02-31,,,,", "starts_on: Enter a valid date."),
        ("1,S-1,2026-02-01,2026-01-01,,,", "ends_on: The end must not be before the start."),
        ("1,S-1,2026-02-01,,Nowhere,,", "service: there is no service Nowhere."),
        ("1,S-1,2026-02-01,,Sample,many,", "limit: Enter a whole number."),
        ("1,S-1,2026-02-01,,Sample,,-5", "rate: "),
        ("2,SLA-OLD,2026-02-01,,,,", "SLA-OLD is an agreement of First."),
    ],
)
def test_wrong_agreements_are_named(tmp_path: Path, row: str, sentence: str) -> None:
    Service.objects.create(name="Sample", slug="sample")
    first = Agency.objects.create(code="1", name="First")
    Agency.objects.create(code="2", name="Second")
    Agreement.objects.create(agency=first, reference="SLA-OLD", starts_on="2026-01-01")
    head = "agency,reference,starts_on,ends_on,service,limit,rate\n"
    assert f"slas.csv, line 2: {sentence}" in refused(files(tmp_path, slas=head + row + "\n"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("code\n1\n", "the column name is missing"),
        ("code,name,colour\n1,A,red\n", "the column colour is not known"),
        ("code,name,name\n1,A,B\n", "a column is there twice"),
        ("", "the column code is missing"),
        ("code,name\n1,A,extra\n", "more cells"),
        ("code,name\n1,A\x00\n", "no text"),
    ],
)
def test_a_file_that_is_no_list_of_agencies_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    assert sentence in refused(files(tmp_path, agencies=text))


def test_files_that_are_not_there_or_not_known_or_not_text(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "agencies.csv")
    assert "Nothing to import" in refused(tmp_path)
    (tmp_path / "people.csv").write_text("a\n")
    assert "call it one of" in refused(tmp_path / "people.csv")
    (tmp_path / "agencies.csv").write_bytes("code,name\n1,Büro\n".encode("latin-1"))
    assert "not UTF-8" in refused(tmp_path)


def test_a_name_under_another_number_is_not_made_twice(tmp_path: Path) -> None:
    Agency.objects.create(code="7", name="Bureau of Forms")
    folder = files(tmp_path, agencies="code,name\n8,bureau  of FORMS\n")
    assert "is there already, with the number 7" in refused(folder)


def test_semicolons_a_mark_at_the_start_and_spaces_do_not_matter(tmp_path: Path) -> None:
    text = "\ufeffCode;Name\n 12 ; Bureau   of Forms \n;\n"
    assert "1 new" in run(files(tmp_path, agencies=text))
    assert Agency.objects.get(code="12").name == "Bureau of Forms"


def test_people_and_groups_are_found_by_name(office: Office, tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        services=f"name,provider_group,owner\nNew one,{office.group.slug},{office.asd.email}\n",
        agencies=f"code,name,representative\n55,Some Agency,{office.rep.username}\n",
    )
    run(folder)
    assert Service.objects.get(name="New one").provider_group == office.group
    assert Agency.objects.get(code="55").representative == office.rep
    files(tmp_path, agencies=f"code,name,representative\n55,Some Agency,{office.lead.username}\n")
    assert "nobody called" in refused(tmp_path / "agencies.csv")
