"""The addends of a score: always the whole of it, and nothing of what an audience may not see."""

import math

from hypothesis import given
from hypothesis import strategies as st

from matcher.features import features
from matcher.parts import HIDDEN, HIDDEN_LABEL, MEANING, hidden_features, parts_of, unseen_features
from tests.factories import make_achievement, make_scene

NAMES = tuple(features())
POINTS = st.fixed_dictionaries({name: st.floats(-9, 9).map(lambda x: round(x, 6)) for name in NAMES})


@given(points=POINTS, hidden=st.frozensets(st.sampled_from(NAMES), max_size=4))
def test_parts_sum_to_the_score_whatever_is_hidden(points: dict[str, float], hidden: frozenset[str]) -> None:
    parts = parts_of(points, dict.fromkeys(NAMES, 0.5), dict.fromkeys(NAMES, "注"), hidden)
    assert math.isclose(sum(part.points for part in parts), sum(points.values()), abs_tol=1e-6)
    shown = {part.name for part in parts}
    if not hidden:
        assert shown == set(NAMES)
    else:
        # Never one feature alone: what stands in the sum could be told from it.
        assert shown == (set(NAMES) - hidden - set(MEANING)) | {HIDDEN}
        assert (parts[-1].label, parts[-1].value) == (HIDDEN_LABEL, None)


def _values(**known: float) -> dict[str, float]:
    return dict.fromkeys(NAMES, math.nan) | known


def test_features_are_hidden_by_the_columns_they_rest_on() -> None:
    scene = make_scene(budget="100", maturity_floor="TRL6", field_visibility="预算（万元）=内部")
    offer = make_achievement(price="80", maturity="TRL7")
    known = _values(price_fit=1.0, maturity_fit=1.0, headline_words=0.3)
    assert hidden_features("staff", (scene, offer), known) == frozenset()
    assert hidden_features("partner", (scene, offer), known) == {"price_fit"}
    # A price is for partners; nothing is hidden where none is filled in.
    plain = make_scene(budget="100")
    assert hidden_features("public", (plain, offer), known) == {"price_fit"}
    assert hidden_features("partner", (plain, offer), known) == frozenset()
    assert hidden_features("public", (plain, make_achievement()), known) == frozenset()


def test_a_column_that_an_audience_never_sees_is_unseen_whether_filled_in_or_not() -> None:
    for offer in (make_achievement(), make_achievement(price="80")):
        assert unseen_features("public", (make_scene(), offer)) == {"price_fit"}
        assert unseen_features("partner", (make_scene(), offer)) == frozenset()
    closed = make_scene(field_visibility="成熟度要求=内部")
    assert unseen_features("partner", (closed, make_achievement())) == {"maturity_fit"}
    assert unseen_features("staff", (closed, make_achievement())) == frozenset()


def test_a_hidden_text_hides_what_is_made_of_it_and_leaves_the_title() -> None:
    scene = make_scene(problem="机密", field_visibility="技术难点=内部")
    known = _values(headline_words=0.3, whole_words=0.2, gist_meaning=0.1, denial=0.0, field_fit=1.0)
    assert hidden_features("public", (scene, make_achievement()), known) == {
        "whole_words",
        "gist_meaning",
        "denial",
    }


def test_what_rests_on_the_graph_or_on_judgements_is_for_staff() -> None:
    scene, offer = make_scene(), make_achievement()
    for name in ("proximity", "precedent", "partner_path", "team_record", "broker_link", "experience"):
        assert hidden_features("partner", (scene, offer), _values(**{name: 0.4})) == {name}
        assert hidden_features("partner", (scene, offer), _values()) == frozenset()
