"""Who may see what of a record: the one rule for records and their columns."""

from functools import cache

from graph.kinds import Node, columns
from graph.values import VISIBILITY_LABELS, Visibility

_ORDER = tuple(VISIBILITY_LABELS)
# An audience that may see a record at all has to be able to call it by its name, and knows that it may see it.
_ALWAYS = frozenset({"id", "visibility"})


def may_see(audience: Visibility, visibility: Visibility) -> bool:
    """Whether an audience may see what carries a visibility: staff see all, partners all but staff's."""
    return _ORDER.index(visibility) <= _ORDER.index(audience)


def levels_seen(audience: Visibility) -> tuple[Visibility, ...]:
    """The visibilities that an audience may see, the widest first."""
    return _ORDER[: _ORDER.index(audience) + 1]


def visible_attributes(node: Node, audience: Visibility) -> frozenset[str]:
    """The attributes of a node that an audience may see; none if the record itself is not for it.

    A field's own visibility (``field_visibility``) goes before that of its column.
    """
    if not may_see(audience, node.visibility):
        return frozenset()
    return frozenset(
        name
        for name, declared in _declared(type(node))
        if may_see(audience, node.field_visibility.get(name, declared))
    )


def seen_by(audience: Visibility, node: Node) -> Node:
    """The node with the columns that are hidden from ``audience`` empty; its id and visibility stay.

    Of the visibilities of its fields those stay that the audience is among, so that what is left may be seen.
    """
    if audience == "staff":
        return node
    visible = visible_attributes(node, audience) | _ALWAYS
    fields = type(node).model_fields
    emptied: dict[str, object] = {
        name: "" if fields[name].is_required() else fields[name].default
        for name, _ in _declared(type(node))
        if name not in visible
    }
    opened = {name: who for name, who in node.field_visibility.items() if may_see(audience, who)}
    return node.model_copy(update={**emptied, "field_visibility": opened})


@cache
def _declared(kind: type[Node]) -> tuple[tuple[str, Visibility], ...]:
    return tuple((name, about.visibility) for name, about in columns(kind).items())
