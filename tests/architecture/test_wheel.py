"""The wheel as a city would install it: complete, and at work outside the checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without any network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("jiebang-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed into it; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True)
    return folder


@pytest.fixture
def elsewhere(site: Path, tmp_path: Path) -> Mapping[str, str]:
    """An environment in which the installed packages come first and the home is new."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JIEBANG_")}
    return {**kept, "PYTHONPATH": str(site), "JIEBANG_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_carries_packages_and_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "api", "matcher", "graph", "embeddings", "jiebang_data",
    }  # fmt: skip
    shipped = {name.removeprefix("jiebang_data/") for name in names if name.startswith("jiebang_data/")}
    data = {
        path.relative_to(ROOT / "data").as_posix() for path in (ROOT / "data").rglob("*") if path.is_file()
    }
    assert shipped == data
    assert {"codes", "lexicon", "ranker", "sample"} <= {name.split("/")[0] for name in shipped}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("api", "matcher", "graph", "embeddings")
        for path in (ROOT / package).rglob("*.py")
    }
    assert sources <= set(names)
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []


def test_installed_program_uses_its_own_packages_and_data(
    site: Path, elsewhere: Mapping[str, str], tmp_path: Path
) -> None:
    code = (
        "import api, matcher, graph, embeddings\n"
        "from graph.resources import resource\n"
        "print(api.__file__, matcher.__file__, graph.__file__, embeddings.__file__, resource('codes'), sep='\\n')"
    )
    places = run([sys.executable, "-c", code], tmp_path, elsewhere).split()
    assert [Path(place).relative_to(site).parts[0] for place in places] == [
        "api", "matcher", "graph", "embeddings", "jiebang_data",
    ]  # fmt: skip


def test_installed_command_sets_up_the_sample_and_matches(
    site: Path, elsewhere: Mapping[str, str], tmp_path: Path
) -> None:
    jiebang = [sys.executable, str(site / "bin" / "jiebang")]
    assert "用法：jiebang" in run([*jiebang, "--help"], tmp_path, elsewhere)
    assert "样例数据（人物与单位均为虚构）" in run([*jiebang, "init", "--demo"], tmp_path, elsewhere)
    assert "没有发现问题" in run([*jiebang, "doctor"], tmp_path, elsewhere)
    assert "无人机" in run([*jiebang, "show", "CJ-101"], tmp_path, elsewhere)
    # Encoding the whole sample takes a minute; a home of a few records shows the same.
    run([*jiebang, "template", "场景"], tmp_path, elsewhere)
    table = tmp_path / "成果.csv"
    table.write_text(
        "编号,名称,完成单位\nCG-1,抗风无人机,某大学\nCG-2,鱼苗计数仪,某研究院\n", encoding="utf-8"
    )
    small = {**elsewhere, "JIEBANG_HOME": str(tmp_path / "small")}
    run([*jiebang, "import", str(table)], tmp_path, small)
    answer = run([*jiebang, "match", "--text", "海岛无人机送药"], tmp_path, small)
    assert "找到 2 个" in answer
    assert answer.index("CG-1") < answer.index("CG-2")
