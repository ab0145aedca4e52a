"""The truth table of triage over every combination of its facts (D2, D15, F16)."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from requests_app.triage import CHECKLIST, recommend, standard_from

ANSWERS = [True, False, None]


def by_the_book(standard: bool | None, service: bool | None, customer: bool | None) -> str:
    """PROCESS.md's table, read off by hand."""
    match (standard, service, customer):
        case (None, _, _) | (_, None, _) | (_, _, None):
            return "unknown"
        case (True, True, True):
            return "assistance"
        case (False, True, True):
            return "enhancement"
        case _:
            return "discovery"


@pytest.mark.parametrize(("standard", "service", "customer"), list(product(ANSWERS, repeat=3)))
def test_all_27_combinations_are_routed_by_the_table(
    standard: bool | None, service: bool | None, customer: bool | None
) -> None:
    """D2: standard request, existing service, current customer with an SLA."""
    answer = recommend(standard, service, customer)
    assert answer.route == by_the_book(standard, service, customer)
    assert answer.why.endswith(".")


def test_without_an_sla_it_may_only_need_onboarding() -> None:
    marked = {facts for facts in product(ANSWERS, repeat=3) if recommend(*facts).onboarding_only}
    assert marked == {(True, True, False), (False, True, False)}


def test_the_answer_names_what_is_unknown_and_what_would_change_it() -> None:
    assert "SLA" in recommend(True, True, None).why
    for facts in product([True, False], repeat=3):
        assert recommend(*facts).would_change


def test_one_changed_fact_changes_the_route_where_the_answer_says_so() -> None:
    """D15: the same request of a current customer for an existing service needs no discovery."""
    assert recommend(False, True, False).route == "discovery"
    assert recommend(False, True, True).route == "enhancement"
    assert recommend(True, True, True).route == "assistance"


def test_every_one_of_the_2187_checklists_is_standard_only_when_all_seven_are_yes() -> None:
    keys = [key for key, _ in CHECKLIST]
    assert len(keys) == 7
    for answers in product(ANSWERS, repeat=7):
        found = standard_from(dict(zip(keys, answers, strict=True)))
        if False in answers:
            assert found is False
        elif None in answers:
            assert found is None
        else:
            assert found is True


@given(st.dictionaries(st.sampled_from([key for key, _ in CHECKLIST]), st.sampled_from(ANSWERS)))
def test_a_missing_answer_counts_as_unknown(checklist: dict[str, bool | None]) -> None:
    answers = [checklist.get(key) for key, _ in CHECKLIST]
    if False not in answers and None in answers:
        assert standard_from(checklist) is None
