"""The command as a process of its own: streams, environment, signals; ``--encoder embedded`` on few records."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = "from api.cli import main; main()"

# Anything a terminal would act on, and the characters progress bars are drawn with.
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069━╸╺█]")

Process = Callable[..., "subprocess.CompletedProcess[bytes]"]


def environment(home: Path, **changes: str) -> Mapping[str, str]:
    """What a process needs, and nothing of this one's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JIEBANG_")}
    return {**kept, "JIEBANG_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changes}


@pytest.fixture
def process(home: Path, tmp_path: Path) -> Process:
    """Runs ``jiebang`` in a process of its own, from another folder, on ``home``."""

    def call(*arguments: str | Path, **changes: str) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(home, **changes), capture_output=True, check=False
        )

    return call


def test_piped_output_is_utf8_without_escape_codes_or_progress_bars(
    process: Process, world_files: list[Path]
) -> None:
    for arguments in (
        ["--help"],
        ["import", *world_files],
        ["match", "CJ-1", "--why"],
        ["doctor"],
        ["nonsense"],
    ):
        # PYTHONIOENCODING is what would make Python write ASCII; FORCE_COLOR is what makes some libraries colour even a pipe.
        done = process(
            *arguments, LC_ALL="C", PYTHONIOENCODING="ascii", FORCE_COLOR="1", TERM="xterm-256color"
        )
        text = done.stdout.decode("utf-8") + done.stderr.decode("utf-8")
        assert done.returncode == (2 if arguments == ["nonsense"] else 0), text
        assert not STEERING.search(text)
        assert re.search(r"[\u4e00-\u9fff]", text)


def test_a_reader_that_has_had_enough_is_no_failure(
    process: Process, home: Path, world_files: list[Path]
) -> None:
    assert process("import", *world_files).returncode == 0
    command = [sys.executable, "-c", PROGRAM, "show", "CJ-1"]
    for keep in (0, 1):
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            run.stdout.read(keep)
            run.stdout.close()
            assert run.stderr.read() == b""
            assert run.wait() == 0


def test_a_broken_pipe_in_the_middle_of_much_output_is_no_failure(
    process: Process, home: Path, written: Callable[..., Path]
) -> None:
    # More than a pipe holds: the writer meets the closed pipe while it still has much to say.
    table = written("编号,名称,场景简介\nCJ-1,送药," + "长" * 49_000 + "\n", "场景.csv")
    assert process("import", table, "--kind", "场景").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "show", "CJ-1"],
        cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.read(10)
        run.stdout.close()
        assert (run.stderr.read(), run.wait()) == (b"", 0)


def test_an_interrupt_ends_with_130_and_leaves_the_store_whole(
    process: Process, home: Path, written: Callable[..., Path]
) -> None:
    rows = "".join(f"CJ-{n},第{n}个场景,{n}的简介{'长' * 300}\n" for n in range(3000))
    table = written(f"编号,名称,场景简介\n{rows}", "场景.csv")
    assert process("init").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "import", str(table), "--kind", "场景"],
        cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert run.stderr is not None
        while not (home / "store.db-wal").exists() and run.poll() is None:
            time.sleep(0.005)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read().decode()
        code = run.wait()
    assert (code, said) == (130, "错误：已中断。\n处理：已写入的内容完整保留，可以重新运行本命令。\n")
    done = process("doctor")
    assert (done.returncode, "版本 0，历史链完好" in done.stdout.decode()) == (0, True)


def test_settings_come_from_the_environment(
    process: Process, tmp_path: Path, written: Callable[..., Path]
) -> None:
    table = written("编号,名称\nCJ-1,送药\n", "场景.csv")
    other = str(tmp_path / "另一处")
    assert process("import", table, "--kind", "场景", JIEBANG_HOME=other, JIEBANG_USER="李明").returncode == 0
    shown: Any = process("show", "CJ-1", JIEBANG_HOME=other).stdout.decode()
    assert " 李明 新增：导入 场景.csv（版本 1）" in shown
    failed = process("match", "CJ-1", JIEBANG_HOME=other, JIEBANG_ENCODER="bert")
    assert (failed.returncode, "没有名为“bert”的编码器" in failed.stderr.decode()) == (1, True)
    assert process("show", "CJ-1").returncode == 1
