"""Who may see what: levels in order, and a record without what is hidden, whatever its columns say."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import KINDS, Achievement, Node, Scene, columns
from graph.values import Visibility
from graph.visibility import levels_seen, may_see, seen_by, visible_attributes

LEVELS: tuple[Visibility, ...] = get_args(Visibility)
levels = st.sampled_from(LEVELS)
# A value for any column but those that say who it is and who may see it, by its bare type.
FILLED = {str: "某某", tuple[str, ...]: ("某某",), tuple[float, float] | None: (1.0, 2.0), int | None: 3}


@st.composite
def marked_nodes(draw: st.DrawFn) -> Node:
    """A node of any kind with every plain column filled in, and any visibility of it and of its fields."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    values: dict[str, Any] = {
        name: FILLED[annotation]  # type: ignore[index]
        for name, about in kind.model_fields.items()
        if (annotation := about.annotation) in FILLED and name not in ("id", "visibility")
    }
    fields = draw(st.dictionaries(st.sampled_from(sorted(columns(kind))), levels, max_size=6))
    return kind.model_construct(
        **values | {"id": "甲-1", "visibility": draw(levels), "field_visibility": fields}
    )


def test_each_level_sees_itself_and_the_wider_ones() -> None:
    assert [[level for level in LEVELS if may_see(audience, level)] for audience in LEVELS] == [
        ["public"],
        ["public", "partner"],
        ["public", "partner", "staff"],
    ]


@given(audience=levels, level=levels)
def test_levels_seen_are_those_that_may_be_seen(audience: Visibility, level: Visibility) -> None:
    assert (level in levels_seen(audience)) == may_see(audience, level)


@given(node=marked_nodes(), audience=levels)
def test_a_column_shows_where_record_and_column_may_be_seen_and_is_empty_else(
    node: Node, audience: Visibility
) -> None:
    seen, fields = seen_by(audience, node), type(node).model_fields
    told, visible = node.field_visibility, set()
    for name, about in columns(type(node)).items():
        level = told.get(name, about.visibility)
        if may_see(audience, node.visibility) and may_see(audience, level):
            visible.add(name)
    assert visible_attributes(node, audience) == visible
    for name in columns(type(node)):
        empty = "" if fields[name].is_required() else fields[name].default
        kept = audience == "staff" or name in visible | {"id", "visibility"}
        if name != "field_visibility":
            assert getattr(seen, name) == (getattr(node, name) if kept else empty), name


@given(node=marked_nodes(), audience=levels)
def test_what_is_seen_of_a_record_shows_whole_to_the_same_audience(node: Node, audience: Visibility) -> None:
    seen = seen_by(audience, node)
    assert seen_by(audience, seen) == seen
    # Opened fields stay open to whoever looks at the copy; of hidden ones not even the name is left.
    if may_see(audience, node.visibility):
        assert visible_attributes(node, audience) <= visible_attributes(seen, audience) | {"field_visibility"}
    if audience != "staff":
        assert all(may_see(audience, who) for who in seen.field_visibility.values())


@pytest.mark.parametrize(
    ("audience", "shown"),
    [
        ("public", {"contact": "陈工"}),
        ("partner", {"contact": "陈工", "source": "普查", "price": (5.0, 5.0)}),
        ("staff", {"contact": "陈工", "source": "普查", "price": (5.0, 5.0), "contact_phone": "0756-1"}),
    ],
)
def test_contacts_are_hidden_unless_the_field_itself_is_opened(
    audience: Visibility, shown: dict[str, object]
) -> None:
    node = Achievement(
        id="CG-1", title="仪", contact="陈工", contact_phone="0756-1", source="普查", price="5",
        field_visibility={"联系人": "公开"},
    )  # fmt: skip
    seen = seen_by(audience, node)
    names = ("contact", "source", "price", "contact_phone")
    assert {name: getattr(seen, name) for name in names if getattr(seen, name)} == shown


def test_a_hidden_title_is_empty() -> None:
    node = Scene(id="CJ-1", title="绝密场", field_visibility={"title": "staff"})
    assert (seen_by("partner", node).title, seen_by("partner", node).id) == ("", "CJ-1")
