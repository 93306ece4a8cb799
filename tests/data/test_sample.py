"""The sample world: its workbook and its tables are one and the same, and what it says of itself holds."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph.intake.importing import plan_import
from graph.kinds import Achievement, Scene
from graph.resources import resource
from graph.store.store import Store, open_store

AT = datetime(2026, 3, 1, tzinfo=UTC)
SAMPLE = resource("sample")
README = resource("README.md")
TABLES = ("scenes", "achievements", "enterprises", "institutions", "brokers", "cases", "relations")
KINDS_OF = {
    "scenes": "scene", "achievements": "achievement", "enterprises": "enterprise", "institutions": "institution",
    "brokers": "broker", "cases": "case", "relations": "edge",
}  # fmt: skip

Filled = Callable[[list[Path]], Store]


def judgements() -> list[dict[str, str]]:
    with (SAMPLE / "judgements.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Stores filled from files of the sample, which have no error."""
    opened: list[Store] = []

    def fill(files: list[Path]) -> Store:
        store = open_store(tmp_path_factory.mktemp("sample") / "store.db")
        opened.append(store)
        plan = plan_import(list(files), store=store, at=AT)
        assert plan.errors == ()
        plan.commit(store, actor="测试", reason="样例")
        return store

    yield fill
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def world(filled: Filled) -> Store:
    return filled([SAMPLE / f"{name}.csv" for name in TABLES])


def test_workbook_and_tables_hold_the_same_world(filled: Filled, world: Store) -> None:
    workbook = filled([SAMPLE / "sample.xlsx"])
    assert list(workbook.nodes()) == list(world.nodes())
    assert list(workbook.edges()) == list(world.edges())


def test_readme_states_how_many_rows_there_are(world: Store) -> None:
    told = dict(re.findall(r"^\| `(\w+)\.csv` \| (\d+) \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    counts = world.counts()
    assert {name: int(number) for name, number in told.items()} == {
        **{name: counts[kind] for name, kind in KINDS_OF.items()}, "judgements": len(judgements()),
    }  # fmt: skip


def test_readme_names_every_folder_and_says_that_the_world_is_fictional() -> None:
    text = README.read_text(encoding="utf-8")
    folders = [path for path in README.parent.iterdir() if path.is_dir()]
    assert [path.name for path in folders if f"`{path.name}/`" not in text] == []
    assert "All people, organisations, addresses, numbers and results in it are fictional." in text


def test_judgements_are_pairs_of_the_world_graded_once_each_with_a_reason(world: Store) -> None:
    rows = judgements()
    scenes = {node.id for node in world.nodes("scene")}
    achievements = {node.id for node in world.nodes("achievement")}
    assert {row["scene_id"] for row in rows} == scenes
    assert {row["achievement_id"] for row in rows} <= achievements
    assert {row["level"] for row in rows} == {"1", "2", "3", "4"}
    assert max(Counter((row["scene_id"], row["achievement_id"]) for row in rows).values()) == 1
    assert all(row["reason"].strip() for row in rows)
    # A scene counts in the evaluation from five judgements on.
    assert min(Counter(row["scene_id"] for row in rows).values()) >= 5


def test_telephone_numbers_belong_to_nobody(world: Store) -> None:
    numbers = [node.contact_phone for node in world.nodes() if node.contact_phone]
    assert len(numbers) > 100
    assert [n for n in numbers if not re.fullmatch(r"0756-555\d{4}|138-0000-\d{4}", n)] == []


def test_world_shows_what_the_program_is_about(world: Store) -> None:
    scenes = [node for node in world.nodes("scene") if isinstance(node, Scene)]
    achievements = [node for node in world.nodes("achievement") if isinstance(node, Achievement)]
    assert len({field for node in (*scenes, *achievements) for field in node.field}) == 15
    assert {node.visibility for node in (*scenes, *achievements)} == {"public", "partner", "staff"}
    assert any(node.maturity_floor for node in scenes)
    assert any(node.ip_numbers for node in achievements)
