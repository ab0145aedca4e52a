"""Pieces drawn once: the same facts give the same piece, other facts another one."""

from django.template import Context, Template

from asd.models import Agency
from workflow.templatetags.remembered import MOST, MOST_CHARACTERS, TOKEN, Kept, facts

ROW = Template(
    "{% load remembered %}{% remembered row|facts may %}"
    "{{ row.name }}{% if may %} {{ csrf_token }}{{ drawn.again }}{% endif %}{% endremembered %}"
)


class Drawn:
    """Counts how often something was really drawn."""

    times = 0

    def again(self) -> str:
        self.times += 1
        return ""


def test_a_piece_is_drawn_once_and_carries_the_token_of_its_page() -> None:
    drawn, row = Drawn(), Agency(pk=7, name="Parks & lakes")

    def page(token: str, may: bool = True) -> str:
        return ROW.render(Context({"row": row, "may": may, "drawn": drawn, "csrf_token": token}))

    assert page("first") == "Parks &amp; lakes first"
    assert page("second") == "Parks &amp; lakes second"
    assert drawn.times == 1
    assert page("third", may=False) == "Parks &amp; lakes"
    row.name = "Rivers"
    assert page("fourth") == "Rivers fourth"
    assert drawn.times == 2
    assert TOKEN not in page("fifth")


def test_what_stands_beside_a_row_counts_too() -> None:
    row = Agency(pk=7, name="Parks")
    before = facts(row)
    assert facts(Agency(pk=7, name="Parks")) == before
    row.is_active = False
    assert facts(row) != before


def test_what_is_kept_is_bounded_in_number_and_size() -> None:
    kept = Kept()
    for number in range(MOST + 10):
        kept.keep(number, "x")
    assert kept.get(0) is None
    assert kept.get(MOST + 9) == "x"
    kept.keep("large", "x" * MOST_CHARACTERS)
    assert kept.get(MOST + 9) is None
