import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks() -> None:
    assert {"partner_portal.ipynb", "roadshow.ipynb"} <= {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebook_has_no_outputs(path: Path) -> None:
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every notebook after it ran from top to bottom in a kernel of its own; a cell that fails fails the test."""
    nbclient = pytest.importorskip("nbclient")
    done = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        patch.setenv("NO_PROXY", ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1"))))
        for path in NOTEBOOKS:
            notebook = read(path)
            place = {"metadata": {"path": str(tmp_path_factory.mktemp("here"))}}
            nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
            done[path.stem] = notebook
    return done


def shown(notebook: Any) -> list[str]:
    """What the cells show, as text; pictures by their media type."""
    return [
        told.get("text/markdown") or ("image/png" if "image/png" in told else told["text/plain"])
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        for told in [output.get("data", {"text/plain": output.get("text", "")})]
    ]


def test_partner_portal_tells_its_story(executed: dict[str, Any]) -> None:
    ranked, picture, indicators, stale, own, upload, moves, refusal = shown(executed["partner_portal"])
    assert ranked.count("\n") == 9
    assert picture == "image/png"
    assert "满足" in indicators
    assert "hengqin:2026-07" in stale
    assert "已被改动" in stale
    assert own.count("\n") == 4
    assert "写入 2 条" in upload
    assert "没有第 12 级" in upload
    rows = [line.strip("| ").split(" | ") for line in moves.splitlines()[2:]]
    assert rows == [
        ["order.placed", "placed"], ["order.moved", "accepted"], ["order.moved", "assigned"], ["order.moved", "answered"],
        ["order.moved", "closed"],
    ]  # fmt: skip
    assert refusal.startswith("'404 not_found：")


def rows_of(told: str) -> list[list[str]]:
    """The rows of a table without its head."""
    return [line.strip("| ").split(" | ") for line in told.splitlines()[2:]]


def test_roadshow_tells_its_story(executed: dict[str, Any]) -> None:
    (
        fits, proof, lineup, left, curve, edits, spares, cancelled, order, timetable, meetings, matrix, steps, scores, marks, award,
    ) = shown(executed["roadshow"])  # fmt: skip
    assert [fits, curve, matrix, marks] == ["image/png"] * 4
    assert "SVG" in timetable
    assert all("已证明最优" in told for told in (proof, order, meetings))
    assert len(rows_of(lineup)) == 6
    assert all(row[1] for row in rows_of(left))
    # Locked whole, a lineup is solved without a change; who cancels is followed by the first alternate.
    assert [row[1] for row in rows_of(edits)][-2:] == ["不变", "不变"]
    gone = rows_of(cancelled)[0]
    assert gone[1] == f"{gone[0].split()[0]}→{spares.split('：')[1].split('、')[0]}"
    assert "写明不见" in meetings
    assert [row[2] for row in rows_of(steps)] == ["阵容、日程和洽谈排定", "发布第 1 版", "举办"]
    assert [row[3] for row in rows_of(scores)[:3]] == ["一等奖", "二等奖", "二等奖"]
    assert award.endswith("2026年低空经济专场一等奖'")
