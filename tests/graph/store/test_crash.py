"""A process killed while it writes: all of the batch or none of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from graph.store.store import open_store

ROOT = Path(__file__).parents[3]

# Writes batch after batch, each a whole replacement of all nodes by the next number, and tells after each.
PROGRAM = """
import sys
from datetime import UTC, datetime
from graph.kinds import Scene
from graph.store.changes import PutNode
from graph.store.store import open_store

store = open_store(sys.argv[1])
for number in range(1, 1000):
    title = f"场景 {number}"
    nodes = [PutNode(node=Scene(id=f"CJ-{i:03}", title=title, summary="长" * 500)) for i in range(300)]
    print(number, flush=True)
    store.apply(nodes, actor="张三", at=datetime(2026, 3, 1, tzinfo=UTC), reason=str(number))
"""


@pytest.mark.parametrize("patience", [0.0, 0.004, 0.011, 0.019, 0.03])
def test_killed_while_applying_leaves_whole_batches_and_a_chain_that_holds(
    tmp_path: Path, patience: float
) -> None:
    place = tmp_path / "a.db"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        begun = [int(writer.stdout.readline()) for _ in range(3)][-1]
        try:
            writer.wait(patience)
        except subprocess.TimeoutExpired:
            writer.kill()
        begun = max([begun, *map(int, writer.stdout.read().split())])
    with open_store(place, create=False) as store:
        assert store.verify_history() == []
        assert {n.title for n in store.nodes()} == {f"场景 {store.revision()}"}
        assert (store.counts()["scene"], store.head().seq) == (300, 300 * store.revision())
        # The batch under way when the end came is in or out; those before it are in.
        assert store.revision() in (begun - 1, begun)
