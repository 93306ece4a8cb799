"""Versions of learned rankers: kept side by side, one in use, each to be gone back to.

    root/current.json   who put which version in use, when and why: all of it, the last entry holds
    root/LOCK           held by whoever writes
    root/0001/          ranker.json, arrays.npz, report.json, card.md, and manifest.json with their digests
    root/.building      one being written, or left by a crash until the next is added

A version is written aside, put on the disk and renamed, and never changes afterwards; ``current.json`` is
replaced in one step. A crash at any moment leaves the ranker in use as it was. Version 0 is the ranker that
comes with the program: in use until another is, and always to be had back.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embeddings.refusal import IndexRefused
from graph.problems import Refused
from graph.resources import resource
from matcher.model_card import card
from matcher.ranker import Ranker, load_ranker, save_ranker

if TYPE_CHECKING:
    from matcher.learning import Learned

SHIPPED = 0
_FORMAT = 1
_CARD = "card.md"
_PATIENCE, _PAUSE = 100, 0.1  # looks at a lock held by another, and seconds between them
_LIST = "jiebang models 列出所有版本。"
_GO_BACK = (
    "请运行 jiebang models rollback 退回上一个模型，或 jiebang models use default 改用随程序附带的模型。"
)
_CHOOSE = "请运行 jiebang models use 版本号 重新指定，或 jiebang models use default 改用随程序附带的模型。"
_ANOTHER = f"请改用别的版本（{_LIST[:-1]}），或运行 jiebang learn 重新学习。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One learned ranker on the disk, as its report describes it; ``problem`` is empty while it is sound.

    ``manifest_sha256`` binds every file of the version. Of a version with a problem only ``number``,
    ``folder`` and ``problem`` say something.
    """

    number: int
    folder: Path
    problem: str = ""
    manifest_sha256: str = ""
    report: dict[str, Any] | None = None

    def told(self, name: str) -> Any:
        """An entry of the report; None where it has none (a version of another program)."""
        return (self.report or {}).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One entry of ``current.json``: ``version`` was put in use, or gone back to; ``at`` is UTC in ISO 8601.

    ``manifest_sha256`` is that of the version at the time, empty for version 0.
    """

    version: int
    at: str
    by: str
    why: str
    did: Literal["use", "rollback"] = "use"
    manifest_sha256: str = ""


def named(number: int) -> str:
    """A version as a sentence names it."""
    return "随程序附带的模型" if number == SHIPPED else f"第 {number} 版"


def shipped_ranker() -> Path:
    """Where the ranker that comes with the program lies (version 0)."""
    return resource("ranker", "default")


class Models:
    """The versions under one folder; reading makes no folder, processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def versions(self) -> list[Version]:
        """Every version added, oldest first, without version 0; damaged ones with what is wrong.

        What an interrupted writer left is none.
        """
        return [self._looked_at(number) for number in self._numbers()]

    def version(self, number: int) -> Version:
        """A version, its files checked against its manifest, the card too.

        Raises ``Refused`` (``version_unknown``) or ``IndexRefused`` (``ranker_unusable``).
        """
        return self._sound(number, and_card=True)

    def uses(self) -> list[Use]:
        """All of ``current.json``, oldest first. Raises ``IndexRefused`` (``models_damaged``)."""
        try:
            text = (self.root / "current.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise _pointer_damaged("无法读取") from error
        try:
            content = json.loads(text)
            if content["format"] != _FORMAT:
                raise _pointer_damaged(f"格式为 {content['format']}，应为 {_FORMAT}")
            uses = [_read_use(entry) for entry in content["history"]]
            _in_use(uses)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise _pointer_damaged("内容不完整") from error
        return uses

    def current(self) -> Use:
        """What is in use; version 0, since never and by nobody, until another is. Raises as ``uses``."""
        uses = self.uses()
        return uses[-1] if uses else Use(version=SHIPPED, at="", by="", why="")

    def current_ranker(self, default: Path) -> Ranker:
        """The ranker in use; ``default`` is version 0.

        Never another one in its place: raises ``IndexRefused`` (``models_damaged``, ``ranker_unusable``)
        with how to go back.
        """
        use = self.current()
        if use.version == SHIPPED:
            return load_ranker(default)
        try:
            version = self._sound(use.version)
            if version.manifest_sha256 != use.manifest_sha256:
                raise _unusable(use.version, "清单 manifest.json 与启用时不同", _GO_BACK)
            return self._loaded(version)
        except (IndexRefused, Refused) as refused:
            message = refused.message.replace("无法使用", "正在使用，但无法读取", 1)
            raise IndexRefused("ranker_unusable", message, _GO_BACK) from refused

    def load(self, number: int, default: Path | None = None) -> Ranker:
        """The ranker of a version; ``default`` (the shipped one unless given) is version 0.

        Raises ``Refused`` (``version_unknown``) or ``IndexRefused`` (``ranker_unusable``): files missing,
        damaged or edited, of another version of the program, of features it does not know.
        """
        if number == SHIPPED:
            return load_ranker(default or shipped_ranker())
        return self._loaded(self._sound(number))

    def add(self, learned: "Learned") -> Version:
        """Keep what was learned as the next version, not in use yet; what crashed writers left is removed.

        If anything fails, nothing is added and the exception goes on; raises ``Refused``
        (``models_busy``) where another process writes for long.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock():
            building = self.root / ".building"
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            try:
                number = max([*self._numbers(), *(use.version for use in self._known_uses())], default=0) + 1
                _write(building, learned, number)
                building.rename(self.root / _name(number))
                _sync(self.root)
            except BaseException:
                shutil.rmtree(building, ignore_errors=True)
                raise
        return self.version(number)

    def use(self, number: int, *, by: str, at: datetime, why: str) -> Use | None:
        """Put a version in use, once it has been seen to load; None, nothing written, where it is already.

        Mends a ``current.json`` that cannot be read: what stood there is kept beside it. Raises as ``load``.
        """
        self.load(number)
        digest = "" if number == SHIPPED else self._sound(number).manifest_sha256
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock():
            try:
                uses, now = self.uses(), self.current()
                if (now.version, now.manifest_sha256) == (number, digest):
                    return None
            except IndexRefused:
                shutil.copyfile(self.root / "current.json", self.root / "current.damaged.json")
                uses = []
            return self._put(
                uses, Use(version=number, at=_moment(at), by=by, why=why, manifest_sha256=digest)
            )

    def rollback(self, *, by: str, at: datetime) -> Use:
        """Go back to what was in use before, and from there further back at the next call.

        Raises ``Refused`` (``rollback_nothing``) where nothing else was, else as ``load`` and ``uses``.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with self._lock():
            uses = self.uses()
            stack = _in_use(uses)
            if len(stack) < 2:
                message = "没有更早用过的模型可以退回：现在用的是随程序附带的模型。"
                raise Refused(
                    "rollback_nothing", message, f"要换用别的版本，请运行 jiebang models use 版本号；{_LIST}"
                )
            last, number = stack[-1], stack[-2]
            self.load(number)
            digest = "" if number == SHIPPED else self._sound(number).manifest_sha256
            back = Use(
                version=number, at=_moment(at), by=by, why=f"从{named(last)}退回", did="rollback", manifest_sha256=digest,
            )  # fmt: skip
            return self._put(uses, back)

    def _numbers(self) -> list[int]:
        if not self.root.is_dir():
            return []
        return sorted(int(p.name) for p in self.root.iterdir() if p.name.isdecimal() and p.is_dir())

    def _known_uses(self) -> Sequence[Use]:
        """The uses as far as they can be read: a number that was ever in use is not given out again."""
        try:
            return self.uses()
        except IndexRefused:
            return ()

    def _looked_at(self, number: int) -> Version:
        try:
            return self._sound(number, and_card=True)
        except (IndexRefused, Refused) as refused:
            return Version(number=number, folder=self.root / _name(number), problem=refused.message)

    def _sound(self, number: int, *, and_card: bool = False) -> Version:
        """A version whose files are what its manifest says; a card that was edited harms no ranking."""
        folder = self.root / _name(number)
        if number not in self._numbers():
            raise Refused("version_unknown", f"没有第 {number} 版排序模型。", _LIST)
        try:
            content = (folder / "manifest.json").read_bytes()
            manifest = json.loads(content)
            if manifest["format"] != _FORMAT:
                raise _unusable(number, f"格式为 {manifest['format']}，应为 {_FORMAT}")
            for name, digest in manifest["files"].items():
                if (and_card or name != _CARD) and _sha256(folder / name) != digest:
                    raise _unusable(number, f"文件 {name} 在学习之后被改动过")
            added = {p.name for p in folder.iterdir() if p.suffix in (".json", ".npz")} - set(
                manifest["files"]
            )
            if added - {"manifest.json"}:
                raise _unusable(number, f"多出了文件 {'、'.join(sorted(added - {'manifest.json'}))}")
            report = json.loads((folder / "report.json").read_bytes())
        except FileNotFoundError as error:
            raise _unusable(number, f"缺少文件 {Path(error.filename).name}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unusable(number, "清单 manifest.json 或报告 report.json 无法读取") from error
        digest = hashlib.sha256(content).hexdigest()
        return Version(number=number, folder=folder, manifest_sha256=digest, report=report)

    def _loaded(self, version: Version) -> Ranker:
        try:
            return load_ranker(version.folder)
        except IndexRefused as refused:
            raise _unusable(version.number, refused.message.rstrip("。")) from refused

    def _put(self, uses: Sequence[Use], use: Use) -> Use:
        """Add ``use`` to the history and move the pointer in one step."""
        beside = self.root / "current.json.new"
        content = {"format": _FORMAT, "history": [asdict(entry) for entry in (*uses, use)]}
        beside.write_text(_json(content), encoding="utf-8")
        _sync(beside)
        os.replace(beside, self.root / "current.json")
        _sync(self.root)
        return use

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Be the only writer; writing takes moments, so another is waited for."""
        with (self.root / "LOCK").open("w") as file:
            for _ in range(_PATIENCE):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(_PAUSE)
            else:
                raise Refused("models_busy", "另一个程序正在写入排序模型。", "请等待其结束后重试。")
            yield


def _read_use(entry: dict[str, Any]) -> Use:
    use = Use(**entry)
    datetime.fromisoformat(use.at)
    if type(use.version) is not int or use.did not in ("use", "rollback"):
        raise TypeError("no use of a version")
    return use


def _in_use(uses: Sequence[Use]) -> list[int]:
    """What each rollback would come to, the version in use last: a use is put on top, a rollback takes one off."""
    stack = [SHIPPED]
    for use in uses:
        if use.did == "rollback":
            stack.pop()
        elif stack[-1] != use.version:
            stack.append(use.version)
        if stack[-1] != use.version:
            raise ValueError("the history contradicts itself")
    return stack


def _write(folder: Path, learned: "Learned", number: int) -> None:
    """Write a version and its manifest, all of it to the disk."""
    save_ranker(learned.ranker, folder)
    (folder / "report.json").write_text(_json(asdict(learned.report)), encoding="utf-8")
    (folder / _CARD).write_text(card(learned.report, version=number), encoding="utf-8")
    paths = sorted(folder.iterdir())
    manifest = {"format": _FORMAT, "files": {path.name: _sha256(path) for path in paths}}
    (folder / "manifest.json").write_text(_json(manifest), encoding="utf-8")
    for path in (*paths, folder / "manifest.json", folder):
        _sync(path)


def _name(number: int) -> str:
    return f"{number:04d}"


def _moment(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("the time of a use needs a time zone")
    return at.astimezone(UTC).isoformat(timespec="seconds")


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


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


def _unusable(number: int, why: str, remedy: str = _ANOTHER) -> IndexRefused:
    return IndexRefused("ranker_unusable", f"第 {number} 版排序模型无法使用：{why}。", remedy)


def _pointer_damaged(why: str) -> IndexRefused:
    return IndexRefused("models_damaged", f"记录现用模型的文件 current.json 损坏：{why}。", _CHOOSE)
