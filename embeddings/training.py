"""A resumable training loop for torch models: AdamW, checkpoints without pickle, the best epoch kept.

A plain loop of our own: the trainer of sentence-transformers needs two more packages (accelerate,
datasets) and resumes from folders that hold pickles.
"""

import contextlib
import fcntl
import json
import math
import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from embeddings.adapter import write_in_one_step
from embeddings.refusal import IndexRefused

Progress = Callable[[int, int, str], None]

_CHECKPOINT = "checkpoint.safetensors"
_HEADER = "jiebang"
_LOSSES = 20  # the loss shown is the mean of so many steps
_SEEDS = 1_000_003


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to train.

    ``learning_rate`` rises over the first ``warmup`` (share of all steps) and then falls to 0 linearly
    (AdamW, Loshchilov and Hutter, ICLR 2019; ``weight_decay`` on matrices only).  ``held_out``: share of the
    demands, 0 to 1 (exclusive), that quality is measured on after each epoch; training stops after
    ``patience`` epochs without a better one, and the best is kept,
    which may be the start.  ``bfloat16``: compute in half precision where processor or GPU is made for it.  ``threads`` 0: all cores.  A checkpoint is written
    every ``checkpoint_steps`` and after each epoch.
    """

    UNDECIDING: ClassVar[frozenset[str]] = frozenset({"threads", "checkpoint_steps"})

    epochs: int = 2
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    held_out: float = 0.0
    patience: int = 2
    seed: int = 0
    bfloat16: bool = True
    threads: int = 0
    checkpoint_steps: int = 50

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for numbers out of range."""
        if (
            self.epochs < 1
            or self.learning_rate < 0
            or not 0 <= self.held_out < 1
            or self.checkpoint_steps < 1
        ):
            raise ValueError(f"settings out of range: {self}")

    def deciding(self) -> dict[str, Any]:
        """The settings that what is learnt depends on, as plain JSON values."""
        said = {name: value for name, value in asdict(self).items() if name not in self.UNDECIDING}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training did: ``steps`` in all, the loss of the last ones, quality before and as kept.

    ``kept_epoch`` is the epoch whose numbers were kept, 0 for the start; all epochs without quality.
    """

    steps: int
    loss: float
    quality_before: float | None
    quality: float | None
    kept_epoch: int


class Task(Protocol):
    """Something to be trained: a model, its parameters, and what is to become small."""

    @property
    def model(self) -> Any:
        """The torch module that ``parameters`` belong to."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters that are trained, by name."""
        ...

    def batches(self, epoch: int) -> Sequence[Any]:
        """The steps of an epoch: the same for the same epoch, as many in every one."""
        ...

    def loss(self, batch: Any) -> Any:
        """The loss of one step, a scalar tensor."""
        ...

    def quality(self) -> float | None:
        """How good the model is on what was held out; None without."""
        ...


@dataclass(slots=True, kw_only=True)
class _State:
    """Where training stands between two steps; with the tensors, all that a checkpoint holds."""

    steps: int = 0
    losses: list[float] = field(default_factory=list)
    before: float | None = None
    best: float | None = None
    best_epoch: int = 0


def train(
    task: Task,
    schedule: Schedule,
    *,
    work: Path,
    digest: str,
    resume: bool,
    progress: Progress | None = None,
) -> Trained:
    """Train ``task``; its model then holds what is to be kept.

    The folder ``work`` is made if need be and holds ``checkpoint.safetensors`` until ``remove_checkpoint``.
    With ``resume`` training goes on from there and ends with the same numbers as without the break.  ``progress`` is
    called after each step with steps done, steps in all, and a line in Chinese with the time left.

    Raises ``IndexRefused``: ``tuning_busy`` if another process trains in ``work``,
    ``tuning_mismatch`` if the checkpoint is of other inputs than ``digest`` says, ``tuning_damaged`` if it
    cannot be read, ``tuning_diverged`` if the loss is no longer a number.
    """
    work.mkdir(parents=True, exist_ok=True)
    with _only_one(work), torch_threads(schedule.threads):
        run = _Run(task, schedule, work / _CHECKPOINT, digest)
        if resume:
            run.restore()
        run.go(progress or (lambda done, total, message: None))
        return run.finish()


class _Run:
    """One training: model, optimizer and its own state, saved and restored together."""

    def __init__(self, task: Task, schedule: Schedule, checkpoint: Path, digest: str) -> None:
        import torch

        self._task, self._schedule, self._checkpoint, self._digest = task, schedule, checkpoint, digest
        self._state, self._kept = _State(), dict[str, Any]()
        self._steps = len(task.batches(0))
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        task.model.to(self._device)
        matrices = [parameter for parameter in task.parameters.values() if parameter.ndim > 1]
        others = [parameter for parameter in task.parameters.values() if parameter.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=0.0, weight_decay=schedule.weight_decay
        )

    def go(self, report: Progress) -> None:
        """Train from where the state stands to the end."""
        import torch

        state, total = self._state, self._steps * self._schedule.epochs
        first, started, batches = state.steps, time.monotonic(), list[Any]()
        # Dropout draws from torch's one generator; whoever called us gets it back as it was.
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            if state.steps == 0:
                self._measure(0)
            while state.steps < total and not self._stopped():
                epoch, place = divmod(state.steps, self._steps)
                if place == 0 or not batches:
                    batches = list(self._task.batches(epoch))
                self._step(batches[place], total)
                if place == self._steps - 1:
                    self._measure(epoch + 1)
                if place == self._steps - 1 or state.steps % self._schedule.checkpoint_steps == 0:
                    self._save()
                left = (time.monotonic() - started) / (state.steps - first) * (total - state.steps)
                loss = float(np.mean(state.losses))
                line = f"第 {epoch + 1}/{self._schedule.epochs} 轮，损失 {loss:.3f}，约剩 {_duration(left)}"
                report(state.steps, total, line)

    def finish(self) -> Trained:
        """Give the model the numbers that are to be kept, and say how it went."""
        import torch

        state = self._state
        with torch.no_grad():
            for name, values in self._kept.items():
                self._task.parameters[name].copy_(values)
        self._task.model.eval()
        return Trained(
            steps=state.steps,
            loss=float(np.mean(state.losses)),
            quality_before=state.before,
            quality=state.best,
            kept_epoch=state.steps // self._steps if state.best is None else state.best_epoch,
        )

    def restore(self) -> None:
        """Take the state from the checkpoint, if there is one."""
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load

        if not self._checkpoint.exists():
            return
        try:
            content = self._checkpoint.read_bytes()
            said = _checkpoint_header(content)
            if said["digest"] != self._digest:
                raise IndexRefused(
                    "tuning_mismatch",
                    "上次中断的训练用的是另一批评级、另一种设置或另一个版本的模型，不能接着做。",
                    "请去掉 --resume 重新训练，或换回原来的设置。",
                )
            tensors = load(content)
            with torch.no_grad():
                for name, parameter in self._task.parameters.items():
                    parameter.copy_(tensors[f"now/{name}"])
                    if f"first/{name}" in tensors:
                        self._optimizer.state[parameter] = {
                            "step": torch.tensor(float(said["state"]["steps"])),
                            "exp_avg": tensors[f"first/{name}"].to(self._device),
                            "exp_avg_sq": tensors[f"second/{name}"].to(self._device),
                        }
            self._kept = {n.removeprefix("kept/"): t for n, t in tensors.items() if n.startswith("kept/")}
            self._state = _State(**said["state"])
        except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
            raise IndexRefused(
                "tuning_damaged",
                f"训练的存档“{self._checkpoint}”无法读取。",
                "请去掉 --resume 重新训练。",
            ) from error

    def _step(self, batch: Any, total: int) -> None:
        import torch

        schedule, state = self._schedule, self._state
        torch.manual_seed(schedule.seed * _SEEDS + state.steps)  # so that a restored run draws the same
        warm = max(round(schedule.warmup * total), 1)
        part = min((state.steps + 1) / warm, (total - state.steps) / max(total - warm, 1), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = schedule.learning_rate * part
        self._task.model.train()
        with self._precision():
            loss = self._task.loss(batch)
        if not math.isfinite(float(loss.detach())):
            raise IndexRefused(
                "tuning_diverged",
                f"训练到第 {state.steps + 1} 步时损失不再是有限的数。",
                "请调小学习率后重新训练。",
            )
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self._task.parameters.values()), 1.0)
        self._optimizer.step()
        state.steps += 1
        state.losses = [*state.losses[1 - _LOSSES :], float(loss.detach())]

    def _measure(self, epoch: int) -> None:
        """Measure on what is held out, and keep the numbers if none were better before."""
        import torch

        self._task.model.eval()
        with torch.no_grad(), self._precision():
            quality = self._task.quality()
        if quality is None:
            return
        state = self._state
        if epoch == 0:
            state.before = quality
        if state.best is None or quality > state.best:
            state.best, state.best_epoch = quality, epoch
            self._kept = {n: p.detach().cpu().clone() for n, p in self._task.parameters.items()}

    def _stopped(self) -> bool:
        epochs = self._state.steps // self._steps
        return self._state.best is not None and epochs - self._state.best_epoch >= self._schedule.patience

    def _save(self) -> None:
        from safetensors.torch import save

        tensors = {f"kept/{name}": values for name, values in self._kept.items()}
        for name, parameter in self._task.parameters.items():
            tensors[f"now/{name}"] = parameter.detach().cpu().clone()
            moments = self._optimizer.state.get(parameter, {})
            if moments:
                tensors[f"first/{name}"] = moments["exp_avg"].cpu().clone()
                tensors[f"second/{name}"] = moments["exp_avg_sq"].cpu().clone()
        said = json.dumps({"digest": self._digest, "state": asdict(self._state)}, sort_keys=True)
        write_in_one_step(self._checkpoint, save(tensors, metadata={_HEADER: said}))

    def _precision(self) -> Any:
        import torch

        if self._device == "cuda":
            able = torch.cuda.is_bf16_supported()
        else:
            able = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
        return torch.autocast(self._device, torch.bfloat16, enabled=bool(able and self._schedule.bfloat16))


def _checkpoint_header(content: bytes) -> dict[str, Any]:
    """Our part of a safetensors header: u64 size, then JSON (the library's readers of bytes leave it out)."""
    (size,) = struct.unpack_from("<Q", content)
    said: dict[str, Any] = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][_HEADER])
    return said


def remove_checkpoint(work: Path) -> None:
    """Forget the training in ``work``, once what came of it is in place."""
    (work / _CHECKPOINT).unlink(missing_ok=True)


@contextlib.contextmanager
def _only_one(work: Path) -> Iterator[None]:
    """Be the only one to train in ``work``; the system lets go even when the process is killed."""
    with (work / "LOCK").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IndexRefused(
                "tuning_busy", f"另一个程序正在“{work}”中训练。", "请等待其结束，或先停止它。"
            ) from None
        yield


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads (0: one per core) for as long as this lasts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "不到 1 分钟"
    return f"{minutes} 分钟" if minutes < 60 else f"{minutes // 60} 小时 {minutes % 60} 分钟"
