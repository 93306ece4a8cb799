import importlib.util
from pathlib import Path
from typing import Any

import pytest

from embeddings.training import Schedule, train

NEEDS_TORCH = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None,
    reason="NOT TESTED: the extra 'transformers' (torch) is not installed",
)


FAST = Schedule(epochs=5, learning_rate=0.02, threads=1, bfloat16=False, checkpoint_steps=2)


class Scripted:
    """A parameter that grows by the step; its quality after each epoch is as told."""

    def __init__(self, qualities: list[float]) -> None:
        import torch

        self.model = torch.nn.Linear(1, 1, bias=False)
        self.parameters = {"w": self.model.weight}
        self.seen: list[float] = []
        self._qualities = qualities

    def batches(self, epoch: int) -> list[int]:
        return [0, 1]

    def loss(self, batch: int) -> Any:
        return -self.model.weight.sum()

    def quality(self) -> float:
        self.seen.append(float(self.model.weight.detach()))
        return self._qualities[len(self.seen) - 1]


@NEEDS_TORCH
@pytest.mark.parametrize(
    ("qualities", "kept", "steps"),
    [
        ([0.5, 0.6, 0.7, 0.7, 0.6, 0.9], 2, 8),
        ([0.5, 0.6, 0.5, 0.7, 0.6, 0.8], 5, 10),
        ([0.5, 0.4, 0.5], 0, 4),
    ],
)
def test_best_epoch_is_kept_and_patience_ends_training(
    tmp_path: Path, qualities: list[float], kept: int, steps: int
) -> None:
    task = Scripted(qualities)
    trained = train(task, FAST, work=tmp_path, digest="", resume=False)
    assert (trained.kept_epoch, trained.steps) == (kept, steps)
    assert (trained.quality_before, trained.quality) == (qualities[0], qualities[kept])
    assert len(set(task.seen)) == steps // 2 + 1
    assert float(task.model.weight.detach()) == task.seen[kept]
