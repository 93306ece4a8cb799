"""Pictures of the graph: every node once, inside the picture, joined as the answer says."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.workbench.path_drawing import HIGH, WIDE, drawn, neighbourhood, shortened


def a_node(kind: str, id: str, distance: int = 0) -> dict[str, Any]:
    return {"kind": kind, "id": id, "title": f"{kind}的名称{id}", "label": kind, "distance": distance}


def an_edge(source: dict[str, Any], target: dict[str, Any], label: str = "拥有") -> dict[str, Any]:
    return {"source": source, "target": target, "label": label, "derived": False, "forward": True}


def test_a_path_runs_from_left_to_right_with_its_arrows() -> None:
    nodes = [a_node("scene", "1"), a_node("enterprise", "2"), a_node("achievement", "3")]
    steps = [{"label": "发布", "forward": False}, {"label": "拥有", "forward": True}]
    drawing = drawn({"nodes": nodes, "steps": steps, "text": "…"})
    assert [box.x for box in drawing.boxes] == sorted(box.x for box in drawing.boxes)
    assert [(line.label, line.forward) for line in drawing.lines] == [("发布", False), ("拥有", True)]
    assert all(line.x1 < line.x2 for line in drawing.lines)
    assert drawing.boxes[0].href == "/records/scene?open=1"


@given(first=st.integers(0, 27), second=st.integers(0, 12))
def test_a_neighbourhood_lies_inside_its_picture_and_leads_on(first: int, second: int) -> None:
    centre = a_node("scene", "0")
    near = [a_node("achievement", str(n), 1) for n in range(first)]
    far = [a_node("broker", str(n), 2) for n in range(second if near else 0)]
    edges = [an_edge(centre, node) for node in near] + [
        an_edge(near[n % len(near)], node) for n, node in enumerate(far)
    ]
    drawing = neighbourhood([centre, *near, *far], edges)
    assert len(drawing.boxes) == 1 + len(near) + len(far)
    assert len({(box.x, box.y) for box in drawing.boxes}) == len(drawing.boxes)
    assert all(
        box.x - box.wide / 2 >= 0 and box.x + box.wide / 2 <= WIDE and 0 < box.y < HIGH
        for box in drawing.boxes
    )
    assert len(drawing.lines) == len(edges)
    assert [box.is_centre for box in drawing.boxes] == [True] + [False] * (len(near) + len(far))


@given(st.text(max_size=40), st.integers(1, 20))
def test_a_label_is_the_text_or_its_beginning(text: str, most: int) -> None:
    short = shortened(text, most)
    assert short == text or (short.endswith("…") and text.startswith(short[:-1].rstrip()))
    assert len(short) <= 2 * most + 1
