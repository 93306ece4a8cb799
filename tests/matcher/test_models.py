"""Versions of learned rankers: complete or not there, unchanged or refused, and never silently another one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.refusal import IndexRefused
from graph.problems import Refused
from matcher.models import SHIPPED, Models, Use, shipped_ranker
from matcher.ranker import Ranker, load_ranker
from tests.factories import NOON, make_learned

FILES = ("manifest.json", "ranker.json", "report.json")
GO_BACK = (
    "请运行 jiebang models rollback 退回上一个模型，或 jiebang models use default 改用随程序附带的模型。"
)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models")


def put_in_use(models: Models, *numbers: int) -> None:
    for number in numbers:
        models.use(number, by="程某", at=NOON, why="试")


def refusal(call: Callable[[], Any]) -> tuple[str, str, str]:
    with pytest.raises((IndexRefused, Refused)) as refused:
        call()
    said: Any = refused.value
    return said.code, said.message, said.remedy


def in_use(models: Models) -> Ranker:
    return models.current_ranker(shipped_ranker())


def flip(path: Path) -> None:
    """Edit a file by hand: other digits, still JSON where it was."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("0", "9", 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text


def test_before_anything_is_learned_the_shipped_ranker_is_in_use_and_nothing_is_made(models: Models) -> None:
    assert models.versions() == []
    assert models.current() == Use(version=SHIPPED, at="", by="", why="")
    assert in_use(models) == models.load(SHIPPED) == load_ranker(shipped_ranker())
    assert not models.root.exists()


def test_a_version_is_kept_as_learned_and_put_in_use_only_when_told(models: Models) -> None:
    learned = make_learned({"headline_words": 61.5, "rights": 2.0})
    version = models.add(learned)
    assert models.versions() == [version]
    assert (version.number, version.folder, version.problem) == (1, models.root / "0001", "")
    assert (version.told("scenes"), version.told("ways")[0]["name"], version.told("nonsense")) == (
        20,
        "新模型",
        None,
    )
    assert "第 1 版" in (version.folder / "card.md").read_text(encoding="utf-8")
    assert models.load(1) == learned.ranker
    assert in_use(models) == load_ranker(shipped_ranker())
    used = models.use(1, by="程某", at=NOON.astimezone(timezone(timedelta(hours=8))), why="更好")
    assert (
        used
        == models.current()
        == Use(
            version=1,
            at="2026-03-01T12:00:00+00:00",
            by="程某",
            why="更好",
            manifest_sha256=version.manifest_sha256,
        )
    )
    assert in_use(models) == learned.ranker


def test_versions_are_numbered_in_order_and_no_number_is_given_twice(models: Models) -> None:
    assert [models.add(make_learned()).number for _ in range(3)] == [1, 2, 3]
    put_in_use(models, 3)
    shutil.rmtree(models.root / "0003")
    assert models.add(make_learned()).number == 4
    assert [version.number for version in models.versions()] == [1, 2, 4]


def test_the_same_lessons_make_the_same_files(tmp_path: Path) -> None:
    first, second = (Models(tmp_path / name).add(make_learned()) for name in ("甲", "乙"))
    assert first.manifest_sha256 == second.manifest_sha256


@settings(max_examples=25)
@given(steps=st.lists(st.sampled_from([0, 1, 2, 3, "back"]), max_size=12))
def test_rollback_goes_back_as_undo_does_and_the_history_keeps_everything(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    models = Models(tmp_path_factory.mktemp("m"))
    shutil.copytree(_three_versions(tmp_path_factory), models.root, dirs_exist_ok=True)
    expected, written = [0], 0
    for step in steps:
        if step == "back":
            if len(expected) == 1:
                assert refusal(lambda: models.rollback(by="程某", at=NOON))[0] == "rollback_nothing"
                continue
            expected.pop()
            assert models.rollback(by="程某", at=NOON).version == expected[-1]
            written += 1
        else:
            changed = step != expected[-1]
            assert (models.use(step, by="程某", at=NOON, why="试") is not None) == changed
            expected += [step] * changed
            written += changed
        assert (models.current().version, len(models.uses())) == (expected[-1], written)


_MADE: dict[str, Path] = {}


def _three_versions(factory: pytest.TempPathFactory) -> Path:
    if "root" not in _MADE:
        models = Models(factory.mktemp("three"))
        for weight in (1.0, 2.0, 3.0):
            models.add(make_learned({"rights": weight}))
        _MADE["root"] = models.root
    return _MADE["root"]


def test_rollback_from_the_shipped_ranker_is_refused(models: Models) -> None:
    models.add(make_learned())
    code, message, remedy = refusal(lambda: models.rollback(by="程某", at=NOON))
    assert (code, message) == ("rollback_nothing", "没有更早用过的模型可以退回：现在用的是随程序附带的模型。")
    assert "jiebang models use 版本号" in remedy


def test_an_unknown_version_is_refused_and_the_one_in_use_stays(models: Models) -> None:
    models.add(make_learned())
    put_in_use(models, 1)
    for call in (models.load, models.version, lambda number: put_in_use(models, number)):
        assert refusal(lambda call=call: call(7)) == (  # type: ignore[misc]
            "version_unknown", "没有第 7 版排序模型。", "jiebang models 列出所有版本。",
        )  # fmt: skip
    assert [use.version for use in models.uses()] == [1]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["edited", "absent", "empty"])
def test_a_version_edited_by_hand_is_refused_and_the_one_in_use_stays(
    models: Models, name: str, damage: str
) -> None:
    good = make_learned({"rights": 5.0})
    models.add(good)
    put_in_use(models, 1)
    broken = models.add(make_learned()).folder / name
    if damage == "edited" and name == "manifest.json":
        broken.write_text(broken.read_text().replace('"ranker.json": "', '"ranker.json": "0'))
    elif damage == "edited":
        flip(broken)
    elif damage == "absent":
        broken.unlink()
    else:
        broken.write_bytes(b"")
    for call in (lambda: models.load(2), lambda: put_in_use(models, 2)):
        code, message, remedy = refusal(call)
        assert (code, message.startswith("第 2 版排序模型无法使用：")) == ("ranker_unusable", True)
        assert "jiebang learn" in remedy
    assert [bool(version.problem) for version in models.versions()] == [False, True]
    assert in_use(models) == good.ranker


def test_an_edited_card_is_told_but_does_not_stop_the_ranking(models: Models) -> None:
    folder = models.add(make_learned()).folder
    put_in_use(models, 1)
    flip(folder / "card.md")
    assert in_use(models) == make_learned().ranker
    assert (
        refusal(lambda: models.version(1))[1] == "第 1 版排序模型无法使用：文件 card.md 在学习之后被改动过。"
    )


def test_a_file_put_beside_those_of_a_version_is_refused_where_it_could_be_read(models: Models) -> None:
    folder = models.add(make_learned()).folder
    (folder / "备注.txt").write_text("很好", encoding="utf-8")
    assert models.load(1)
    (folder / "more.npz").write_bytes(b"")
    assert refusal(lambda: models.load(1))[1] == "第 1 版排序模型无法使用：多出了文件 more.npz。"


def test_a_version_of_another_format_or_of_features_not_known_is_refused(models: Models) -> None:
    folder = models.add(make_learned()).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 2}))
    assert refusal(lambda: models.load(1))[1] == "第 1 版排序模型无法使用：格式为 2，应为 1。"
    models.add(make_learned({"rights": 1.0, "magic": 2.0}))
    code, message, _ = refusal(lambda: models.load(2))
    assert (code, message.startswith("第 2 版排序模型无法使用：")) == ("ranker_unusable", True)
    assert "magic" in message


@pytest.mark.parametrize("damage", [*FILES, "folder", "manifest and ranker"])
def test_where_the_version_in_use_cannot_be_read_no_other_takes_its_place(
    models: Models, damage: str
) -> None:
    for weight in (1.0, 2.0):
        models.add(make_learned({"rights": weight}))
    put_in_use(models, 1, 2)
    folder = models.root / "0002"
    if damage == "folder":
        shutil.rmtree(folder)
    elif damage == "manifest and ranker":
        # Edited so that it agrees with itself: still not what was put in use.
        shutil.rmtree(folder)
        Models(models.root / "elsewhere").add(make_learned({"rights": 9.0})).folder.rename(folder)
    else:
        flip(folder / damage)
    code, message, remedy = refusal(lambda: in_use(models))
    assert (code, remedy) == ("ranker_unusable", GO_BACK)
    assert "第 2 版" in message
    assert models.rollback(by="程某", at=NOON).version == 1
    assert in_use(models) == make_learned({"rights": 1.0}).ranker


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"7", b"\xff\xfe", b"{}", b'{"format": 2, "history": []}', b'{"format": 1, "history": [{}]}',
        *(
            json.dumps({"format": 1, "history": [{"version": 1, "at": "2026-03-01", "by": "", "why": ""} | wrong]}).encode()
            for wrong in ({"did": "rollback"}, {"version": "1"}, {"at": "昨天"}, {"did": "eat"}, {"more": 1})
        ),
    ],
)  # fmt: skip
def test_a_pointer_that_cannot_be_read_is_refused_until_a_version_is_named(
    models: Models, content: bytes
) -> None:
    models.add(make_learned())
    put_in_use(models, 1)
    pointer = models.root / "current.json"
    pointer.write_bytes(content)
    for call in (
        models.current,
        models.uses,
        lambda: in_use(models),
        lambda: models.rollback(by="程某", at=NOON),
    ):
        code, message, remedy = refusal(call)
        assert (code, message.startswith("记录现用模型的文件 current.json 损坏：")) == (
            "models_damaged",
            True,
        )
        assert "jiebang models use default" in remedy
    assert models.add(make_learned()).number == 2
    put_in_use(models, SHIPPED)
    assert in_use(models) == load_ranker(shipped_ranker())
    assert (models.root / "current.damaged.json").read_bytes() == content
    assert [use.version for use in models.uses()] == [SHIPPED]


def test_learning_that_fails_while_it_is_kept_leaves_everything_as_it_was(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.add(make_learned({"rights": 5.0}))
    put_in_use(models, 1)
    before = {path: path.read_bytes() for path in models.root.rglob("*") if path.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            models.add(make_learned())
    assert {path: path.read_bytes() for path in models.root.rglob("*") if path.is_file()} == before


def steps(models: Models, monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> int:
    """Add a version and use it, interrupted at the given system call; return their number.

    A write that is interrupted has written half.
    """
    count = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == stop_at:
                if len(arguments) == 2 and isinstance(arguments[1], str | bytes):
                    function(arguments[0], arguments[1][: len(arguments[1]) // 2], **options)
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, name in (
            (os, "fsync"),
            (os, "replace"),
            (Path, "rename"),
            (Path, "mkdir"),
            (Path, "write_text"),
        ):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        put_in_use(models, models.add(make_learned({"rights": 2.0})).number)
    return count


def test_interruption_at_any_step_leaves_one_ranker_in_use_and_no_half_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_learned({"rights": 1.0}).ranker, make_learned({"rights": 2.0}).ranker
    counting = Models(tmp_path / "counting")
    total = steps(counting, monkeypatch, None)
    assert total > 10
    seen = []
    for step in range(1, total + 1):
        models = Models(tmp_path / str(step))
        models.add(make_learned({"rights": 1.0}))
        put_in_use(models, 1)
        with pytest.raises(KeyboardInterrupt):
            steps(models, monkeypatch, step)
        seen.append(in_use(models))
        assert all(not version.problem for version in models.versions())
        assert not models.add(make_learned()).problem
        assert not (models.root / ".building").exists()
    switch = seen.index(new)
    assert seen == [old] * switch + [new] * (total - switch)


KILLED = """
import os, pathlib, sys
from matcher.models import Models
from tests.factories import make_learned
left = int(sys.argv[2])
sync = os.fsync

def counted(descriptor):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    sync(descriptor)

os.fsync = counted
Models(pathlib.Path(sys.argv[1])).add(make_learned())
"""


@pytest.mark.parametrize("syncs", [0, 3, 99])
def test_a_version_whose_writer_is_killed_is_never_listed_and_the_next_takes_its_place(
    models: Models, syncs: int
) -> None:
    models.add(make_learned())
    put_in_use(models, 1)
    root = Path(__file__).parents[2]
    code = subprocess.run(
        [sys.executable, "-c", KILLED, str(models.root), str(syncs)], cwd=root, check=False
    ).returncode
    assert code == (0 if syncs == 99 else -9)
    finished = 2 if syncs == 99 else 1
    assert [version.number for version in models.versions()] == list(range(1, finished + 1))
    assert (models.root / ".building").exists() == (syncs != 99)
    assert models.add(make_learned()).number == finished + 1
    assert not (models.root / ".building").exists()
    assert models.current().version == 1


def test_another_writer_is_waited_for_and_then_refused(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    models.add(make_learned())
    paused: list[float] = []
    monkeypatch.setattr("matcher.models.time.sleep", paused.append)
    with (models.root / "LOCK").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for call in (lambda: models.add(make_learned()), lambda: put_in_use(models, 1)):
            assert refusal(call) == (
                "models_busy", "另一个程序正在写入排序模型。", "请等待其结束后重试。",
            )  # fmt: skip
    assert len(paused) > 10
    assert [version.number for version in models.versions()] == [1]
    put_in_use(models, 1)


def test_the_time_of_a_use_needs_a_zone(models: Models) -> None:
    models.add(make_learned())
    with pytest.raises(ValueError, match="time zone"):
        models.use(1, by="程某", at=datetime(2026, 3, 1), why="")
    assert models.use(1, by="程某", at=datetime(2026, 3, 1, tzinfo=UTC), why="") is not None
