import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embeddings.generation import Generation, current, open_generation, publish
from embeddings.refusal import IndexRefused

MANIFEST = {
    "encoder": "tiny/1",
    "dimension": 16,
    "segmenter": "rjieba/1",
    "corpus_revision": "r7",
    "counts": {"scene": 3},
}


def writing(content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "title").mkdir()
        (folder / "title" / "vectors.npy").write_text(content)
        (folder / "terms.txt").write_text(content * 2)

    return write


def content(generation: Generation | None) -> str | None:
    return (generation.folder / "title" / "vectors.npy").read_text() if generation else None


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(IndexRefused) as refused:
        call()
    assert refused.value.remedy
    return refused.value.code


def test_publish_makes_a_generation_current(tmp_path: Path) -> None:
    root = tmp_path / "indexes" / "scene"
    folder = publish(root, writing("one"), MANIFEST)
    generation = open_generation(root, MANIFEST, verify=True)
    assert generation == Generation(number=1, folder=folder, manifest=MANIFEST)
    assert current(root) == generation
    assert content(generation) == "one"


def test_publish_keeps_the_two_newest(tmp_path: Path) -> None:
    for number in range(1, 5):
        publish(tmp_path, writing(f"v{number}"), MANIFEST)
    assert content(current(tmp_path)) == "v4"
    assert sorted(path.name for path in (tmp_path / "generations").iterdir()) == ["000003", "000004"]


def test_nothing_is_current_before_the_first(tmp_path: Path) -> None:
    assert current(tmp_path) is None
    assert current(tmp_path / "absent") is None
    assert refusal(lambda: open_generation(tmp_path, {})) == "index_missing"


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("encoder", "other/2", '编码器应为 "other/2"，索引中为 "tiny/1"'),
        ("dimension", 384, "向量维数应为 384，索引中为 16"),
        ("segmenter", "rjieba/2", '分词词典应为 "rjieba/2"，索引中为 "rjieba/1"'),
        ("corpus_revision", "r8", '数据版本应为 "r8"，索引中为 "r7"'),
        ("counts", {"scene": 4}, '条数应为 {"scene": 4}，索引中为 {"scene": 3}'),
        ("fields", ["title"], 'fields应为 ["title"]，索引中为 null'),
    ],
)
def test_open_refuses_an_index_made_with_other_settings(
    key: str, value: object, named: str, tmp_path: Path
) -> None:
    publish(tmp_path, writing("one"), MANIFEST)
    with pytest.raises(IndexRefused) as refused:
        open_generation(tmp_path, {**MANIFEST, key: value})
    assert refused.value.code == "index_mismatch"
    assert refused.value.message == f"索引与当前设置不一致：{named}。"
    assert refused.value.remedy == "请运行 jiebang index rebuild 重建索引。"


def test_open_compares_only_what_is_expected(tmp_path: Path) -> None:
    publish(tmp_path, writing("one"), {**MANIFEST, "fields": ("title", "summary")})
    assert content(open_generation(tmp_path, {"dimension": 16, "fields": ("title", "summary")})) == "one"


@pytest.mark.parametrize("name", ["title/vectors.npy", "terms.txt", "manifest.json"])
@pytest.mark.parametrize("damage", ["absent", "longer", "flipped"])
def test_damage_is_refused(name: str, damage: str, tmp_path: Path) -> None:
    folder = publish(tmp_path, writing("one"), MANIFEST)
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if damage != "absent":
        path.write_bytes(data + b" " if damage == "longer" else bytes([data[0] ^ 1]) + data[1:])
    assert refusal(lambda: open_generation(tmp_path, MANIFEST, verify=True)) == "index_damaged"
    # Without verify only sizes are compared, and the manifest, which is small.
    if damage != "flipped" or name == "manifest.json":
        assert refusal(lambda: current(tmp_path)) == "index_damaged"


@pytest.mark.parametrize(
    "pointer", ["", "{}", "[]", "7", '{"generation": "x"}', '{"generation": 9, "manifest_sha256": ""}']
)
def test_broken_pointer_is_refused(pointer: str, tmp_path: Path) -> None:
    publish(tmp_path, writing("one"), MANIFEST)
    (tmp_path / "CURRENT").write_text(pointer)
    assert refusal(lambda: current(tmp_path)) == "index_damaged"


def test_failing_writer_changes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, writing("one"), MANIFEST)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        publish(tmp_path, fail, MANIFEST)
    assert content(current(tmp_path)) == "one"
    assert [path.name for path in (tmp_path / "generations").iterdir()] == ["000001"]
    assert content(open_generation(publish(tmp_path, writing("two"), MANIFEST).parent.parent, {})) == "two"


def test_files_that_do_not_read_back_never_become_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, writing("one"), MANIFEST)
    rename = Path.rename

    def rename_and_damage(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        (moved / "terms.txt").write_text("ONEONE")
        return moved

    monkeypatch.setattr(Path, "rename", rename_and_damage)
    assert refusal(lambda: publish(tmp_path, writing("two"), MANIFEST)) == "index_damaged"
    assert content(open_generation(tmp_path, MANIFEST, verify=True)) == "one"


def steps(root: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> int:
    """Publish "two", failing at the given system call that publishing makes; return their number.

    A write that fails has written half.
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
        for owner, name in ((os, "fsync"), (os, "replace"), (Path, "rename"), (Path, "write_bytes")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        for owner, name in ((Path, "write_text"), (Path, "mkdir"), (shutil, "rmtree")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        publish(root, writing("two"), MANIFEST)
    return count


def test_interruption_at_any_step_leaves_one_complete_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "counting", writing("one"), MANIFEST)
    total = steps(tmp_path / "counting", monkeypatch, None)
    assert total > 15
    seen = []
    for step in range(1, total + 1):
        root = tmp_path / str(step)
        publish(root, writing("one"), MANIFEST)
        with pytest.raises(KeyboardInterrupt):
            steps(root, monkeypatch, step)
        seen.append(content(open_generation(root, MANIFEST, verify=True)))
        publish(root, writing("three"), MANIFEST)
        assert content(open_generation(root, MANIFEST, verify=True)) == "three"
    switch = seen.index("two")
    assert seen == ["one"] * switch + ["two"] * (total - switch)


KILLED = """
import os, pathlib, sys
from embeddings import generation
left = int(sys.argv[2])
sync = os.fsync
def die_at_last(descriptor):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), 9)
    sync(descriptor)
os.fsync = die_at_last
def write(folder):
    (folder / "title").mkdir()
    (folder / "title" / "vectors.npy").write_text("two")
    (folder / "terms.txt").write_text("two")
generation.publish(pathlib.Path(sys.argv[1]), write, {"dimension": 16})
"""


@pytest.mark.parametrize(("sync", "expected"), [(1, "one"), (4, "one"), (7, "one"), (8, "two")])
def test_killed_publisher_leaves_one_complete_generation(sync: int, expected: str, tmp_path: Path) -> None:
    publish(tmp_path, writing("one"), {"dimension": 16})
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(sync)], check=False, timeout=60)
    assert done.returncode == -9
    assert content(open_generation(tmp_path, {"dimension": 16}, verify=True)) == expected
    publish(tmp_path, writing("three"), MANIFEST)  # the lock and leftovers are no hindrance
    assert content(current(tmp_path)) == "three"
    assert len(list((tmp_path / "generations").iterdir())) == 2


def test_full_disk_is_refused_and_the_old_index_stays(tmp_path: Path) -> None:
    publish(tmp_path, writing("one"), MANIFEST)

    def fill(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert refusal(lambda: publish(tmp_path, fill, MANIFEST)) == "disk_full"
    assert content(current(tmp_path)) == "one"


def test_second_publisher_is_refused_while_the_first_works(tmp_path: Path) -> None:
    publish(tmp_path, writing("one"), MANIFEST)
    with (tmp_path / "LOCK").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert refusal(lambda: publish(tmp_path, writing("two"), MANIFEST)) == "index_busy"
    assert content(current(tmp_path)) == "one"


def test_reader_overtaken_by_two_publications_gets_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, writing("one"), MANIFEST)
    loads = json.loads

    def overtaken(text: str) -> Any:
        monkeypatch.undo()
        publish(tmp_path, writing("two"), MANIFEST)
        publish(tmp_path, writing("three"), MANIFEST)
        return loads(text)

    monkeypatch.setattr(json, "loads", overtaken)
    assert content(current(tmp_path)) == "three"
