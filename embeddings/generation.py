"""Publishing an index: written aside, verified, and only then pointed to.

    root/CURRENT                one line of JSON: the generation in use and the digest of its manifest
    root/LOCK                   held by whoever publishes
    root/generations/000007/    files of the writer, and manifest.json
    root/generations/.building  one being written, or left by a crash until the next

A crash at any moment leaves ``CURRENT`` at a complete generation: it is replaced in one step, after
everything it names is on the disk.  Two generations are kept, so that a reader that has just read
the pointer still finds its files.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.refusal import IndexRefused

_FORMAT = 1
_KEPT = 2
_REBUILD = "请运行 jiebang index rebuild 重建索引。"
_LABELS = {
    "encoder": "编码器",
    "dimension": "向量维数",
    "segmenter": "分词词典",
    "store": "数据库",
    "texts": "文本规则",
    "views": "编码方式",
    "corpus_revision": "数据版本",
    "counts": "条数",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One published index; nothing in its folder ever changes."""

    number: int
    folder: Path
    manifest: Mapping[str, Any]


def publish(root: Path, write: Callable[[Path], None], manifest: Mapping[str, Any]) -> Path:
    """Make what ``write(folder)`` writes into an empty folder the current generation.

    ``manifest`` is what ``open_generation`` will compare: plain JSON values.  Returns the folder
    of the new generation.  If anything fails, what was current stays so and the exception goes
    on; a full disk raises ``IndexRefused`` (``disk_full``), another publisher at work
    ``index_busy``, and files that do not read back as written ``index_damaged``.
    """
    generations = root / "generations"
    generations.mkdir(parents=True, exist_ok=True)
    with _disk_full_refused(root), _lock(root):
        building = generations / ".building"
        shutil.rmtree(building, ignore_errors=True)  # what a killed publisher left
        building.mkdir()
        try:
            write(building)
            digest = _seal(building, manifest)
            number = max(_numbers(generations), default=0) + 1
            folder = generations / _name(number)
            building.rename(folder)
            _sync(generations)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        _verified(root, number, digest, verify=True)
        _point(root, number, digest)
        _prune(generations)
    return folder


def current(root: Path) -> Generation | None:
    """Return the current generation, its files present and of the right size; None before any.

    Raises ``IndexRefused`` with code ``index_damaged`` if the pointer or a file is not as
    published.
    """
    return _current(root, verify=False)


def open_generation(root: Path, expected: Mapping[str, Any], *, verify: bool = False) -> Generation:
    """Return the current generation if its manifest says what is ``expected``, key by key.

    Sizes are always checked; with ``verify`` every file is read and its SHA-256 compared.  Raises
    ``IndexRefused``: ``index_missing`` before the first publication, ``index_mismatch`` if an
    expected value differs (the message says which), ``index_damaged`` as ``current`` does.
    """
    generation = _current(root, verify=verify)
    if generation is None:
        raise IndexRefused("index_missing", f"“{root.name}”中还没有建立索引。", _REBUILD)
    # Compared as JSON, so that a tuple expected equals the list that was read.
    differing = [
        f"{_LABELS.get(key, key)}应为 {_json(value)}，索引中为 {_json(generation.manifest.get(key))}"
        for key, value in expected.items()
        if _json(value) != _json(generation.manifest.get(key))
    ]
    if differing:
        message = f"索引与当前设置不一致：{'；'.join(differing)}。"
        raise IndexRefused("index_mismatch", message, _REBUILD)
    return generation


def _current(root: Path, *, verify: bool) -> Generation | None:
    pointer = root / "CURRENT"
    try:
        text = pointer.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        target = json.loads(text)
        number, digest = int(target["generation"]), str(target["manifest_sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged("指针文件 CURRENT 无法读取") from error
    try:
        return _verified(root, number, digest, verify=verify)
    except IndexRefused:
        if pointer.read_text(encoding="utf-8") == text:
            raise
        return _current(root, verify=verify)  # two were published meanwhile: the new one stands


def _verified(root: Path, number: int, digest: str, *, verify: bool) -> Generation:
    """Read a generation back from the disk and check it."""
    folder = root / "generations" / _name(number)
    try:
        content = (folder / "manifest.json").read_bytes()
    except OSError as error:
        raise _damaged(f"第 {number} 代的清单 manifest.json 无法读取") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(f"第 {number} 代的清单 manifest.json 被改动过")
    sealed = json.loads(content)
    if sealed["format"] != _FORMAT:
        raise IndexRefused("index_mismatch", f"索引格式为 {sealed['format']}，应为 {_FORMAT}。", _REBUILD)
    for name, entry in sealed["files"].items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["size"] or (verify and _sha256(path) != entry["sha256"]):
            raise _damaged(f"第 {number} 代的文件 {name} 缺失或与发布时不同")
    return Generation(number=number, folder=folder, manifest=sealed["manifest"])


def _seal(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Write manifest.json over the files in ``folder``, all to the disk; return its digest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": _sha256(path)}
        for path in paths
    }
    sealed = {"format": _FORMAT, "manifest": dict(manifest), "files": files}
    content = json.dumps(sealed, ensure_ascii=False, sort_keys=True, indent=1).encode()
    (folder / "manifest.json").write_bytes(content)
    folders = (path for path in folder.rglob("*") if path.is_dir())
    for path in (*paths, folder / "manifest.json", *folders, folder):
        _sync(path)
    return hashlib.sha256(content).hexdigest()


def _point(root: Path, number: int, digest: str) -> None:
    """Move the pointer in one step."""
    beside = root / "CURRENT.new"
    beside.write_text(_json({"generation": number, "manifest_sha256": digest}), encoding="utf-8")
    _sync(beside)
    os.replace(beside, root / "CURRENT")
    _sync(root)


def _prune(generations: Path) -> None:
    """Remove all but the newest; called when the newest of all is current."""
    for old in sorted(_numbers(generations), reverse=True)[_KEPT:]:
        shutil.rmtree(generations / _name(old), ignore_errors=True)


def _numbers(generations: Path) -> list[int]:
    return [int(path.name) for path in generations.iterdir() if path.name.isdecimal()]


def _name(number: int) -> str:
    return f"{number:06d}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have the operating system write a file or the entries of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Be the only publisher; the system lets go of the lock even when the process is killed."""
    with (root / "LOCK").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IndexRefused("index_busy", "另一个程序正在发布索引。", "请等待其结束后重试。") from None
        yield


@contextlib.contextmanager
def _disk_full_refused(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise IndexRefused(
            "disk_full",
            f"磁盘已满，无法在“{root.name}”中写入新索引；原有索引仍可使用。",
            "请清理磁盘空间后重试。",
        ) from error


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _damaged(what: str) -> IndexRefused:
    return IndexRefused("index_damaged", f"索引损坏：{what}。", _REBUILD)
