import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph.problems import Refused
from graph.store.store import open_store
from matcher.models import SHIPPED, Models, shipped_ranker
from matcher.ranker import load_ranker
from tests.api.cli.conftest import keep_models
from tests.factories import NOON, make_learned

Command = Callable[..., Any]
ROOT = Path(__file__).parents[3]

GAIN = "留出场景上的 nDCG@10 比现用模型高 0.0200（95% 区间 +0.0050～+0.0350）"
LATER = "随程序附带的模型"


@pytest.fixture
def teach(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """What ``learn`` finds from now on, or the failure it ends in; gives what it was asked for."""

    def will(result: Any) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def learn(engine: Any, taught: Any, **options: Any) -> Any:
            asked.append(options | {"taught": len(taught.lessons)})
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr("matcher.learning.learn", learn)
        return asked

    return will


def test_learning_that_is_better_is_put_in_use_and_said_with_its_figures(
    jiebang: Command, indexed: Path, models: Models, teach: Callable[..., list[dict[str, Any]]]
) -> None:
    learned = make_learned({"headline_words": 61.0})
    asked = teach(learned)
    outcome = jiebang("learn", "--seed", "7", "--by", "舒某")
    assert outcome.code == 0
    assert outcome.err.startswith("开始学习：0 对")
    lines = outcome.out.splitlines()
    assert lines[:3] == [
        "学习材料：评级 120 条，对接结果 8 条，3 位评级人；合并为 110 对，20 个场景（1 级 50、2 级 30、3 级 20、4 级 10）。",
        "没有计入：评级人甲的 3 条都是 4 级",
        "检验：5 折，按场景留出；括号内为 95% 区间。",
    ]
    assert [line.split() for line in lines[3:7]] == [
        ["模型", "nDCG@10", "95%区间", "MRR", "P@5", "1/(1+MAE)"],
        ["新模型", "0.7200", "0.670–0.770", "0.6000", "0.4000", "0.7000"],
        ["现用模型", "0.7000", "0.650–0.750", "0.6000", "0.4000", "0.7000"],
        ["冷启动", "0.6800", "0.630–0.730", "0.6000", "0.4000", "0.7000"],
    ]
    assert lines[7:] == [
        "成对比较：比现用模型 +0.0200（+0.0050～+0.0350），重抽样中 99% 为正。",
        "成对比较：比冷启动 +0.0400（-0.0100～+0.0900），重抽样中 90% 为正。",
        "概率的期望校准误差：0.031。",
        "比现用模型差的场景 2 个：CJ-9（0.700→0.400）、CJ-2（0.900→0.800）。",
        f"已启用第 1 版：{GAIN}。",
        f"模型说明：{models.root / '0001' / 'card.md'}（或 jiebang models show 1）",
    ]
    use = models.current()
    assert (use.version, use.by, use.why) == (1, "舒某", f"已启用第 1 版：{GAIN}。")
    assert models.current_ranker(shipped_ranker()) == learned.ranker
    assert [(a["seed"], a["taught"]) for a in asked] == [(7, 0)]


def test_learning_that_is_not_better_is_kept_but_not_used_unless_forced(
    jiebang: Command, indexed: Path, models: Models, teach: Callable[..., Any]
) -> None:
    teach(make_learned(better=False))
    outcome = jiebang("learn")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-2] == (
        f"没有启用：{GAIN}，没有证明优于现用模型；已存为第 1 版，确要使用请运行 jiebang models use 1（或学习时加 --force）。"
    )
    assert (len(models.versions()), models.current().version) == (1, SHIPPED)
    outcome = jiebang("learn", "--force")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-2] == f"已按 --force 启用第 2 版，虽然没有证明优于现用模型：{GAIN}。"
    assert models.current().version == 2


def test_a_dry_run_keeps_nothing(
    jiebang: Command, indexed: Path, models: Models, teach: Callable[..., Any]
) -> None:
    teach(make_learned())
    outcome = jiebang("learn", "--dry-run", "--force")
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, f"试运行，没有保存：{GAIN}，优于现用模型。")
    assert not models.root.exists()


def test_learning_as_json_is_the_whole_report_without_nan(
    jiebang: Command, indexed: Path, models: Models, teach: Callable[..., Any]
) -> None:
    learned = make_learned(ece=math.nan, better=False)
    teach(learned)
    found = json.loads(jiebang("learn", "--json").out, parse_constant=lambda word: pytest.fail(word))
    assert (found["version"], found["promoted"], found["card"]) == (
        1,
        False,
        str(models.root / "0001" / "card.md"),
    )
    assert found["decision"].startswith("没有启用：")
    report = found["report"]
    assert (report["ece"], report["scenes"], report["levels"]) == (None, 20, [50, 30, 20, 10])
    assert report["ways"][1]["name"] == "现用模型"
    found = json.loads(jiebang("learn", "--json", "--dry-run").out)
    assert (found["version"], found["promoted"], found["card"]) == (None, False, None)


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (Refused("lessons_too_few", "评级太少。", "请先评级。"), 1, "错误：评级太少。\n处理：请先评级。\n"),
        (KeyboardInterrupt(), 130, "错误：已中断。\n处理：已写入的内容完整保留，可以重新运行本命令。\n"),
        (OSError(28, "No space left on device"), 1, "错误：读写文件时出错：磁盘已满。\n处理：请检查路径、权限和磁盘空间后重试。\n"),
    ],
)  # fmt: skip
def test_learning_that_is_refused_or_interrupted_leaves_everything_as_it_was(
    jiebang: Command,
    indexed: Path,
    models: Models,
    teach: Callable[..., Any],
    failure: Exception,
    code: int,
    said: str,
) -> None:
    keep_models(models, 5.0, use=(1,))
    before = {path: path.read_bytes() for path in indexed.rglob("*") if path.is_file()}
    teach(failure)
    outcome = jiebang("learn")
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.endswith(said)
    assert {path: path.read_bytes() for path in indexed.rglob("*") if path.is_file()} == before


SLOW = """
import sys, time
import embeddings.encoder
from matcher import learning
from tests.api.world import BigramEncoder
embeddings.encoder._ENCODERS["bigrams"] = ("bigrams", lambda _: BigramEncoder())

def learn(*arguments, **options):
    print("learning", flush=True)
    time.sleep(60)

learning.learn = learn
from api.cli import main
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_process_killed_while_it_learns_leaves_the_ranker_in_use(
    indexed: Path, models: Models, number: signal.Signals, code: int
) -> None:
    keep_models(models, 5.0, use=(1,))
    before = {path: path.read_bytes() for path in models.root.rglob("*") if path.is_file()}
    settings = {"JIEBANG_HOME": str(indexed), "JIEBANG_ENCODER": "bigrams", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, "learn"], cwd=ROOT, env={**os.environ, **settings},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdout.readline() == b"learning\n"
        run.send_signal(number)
        assert run.wait() == code
    assert {path: path.read_bytes() for path in models.root.rglob("*") if path.is_file()} == before


def test_doctor_tells_the_ranker_in_use_and_whether_its_lessons_have_changed(
    jiebang: Command, indexed: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matcher.lessons import lessons

    def said() -> str:
        outcome = jiebang("doctor")
        assert (outcome.code, outcome.err) == (0, "")
        lines: list[str] = outcome.out.splitlines()
        return next(line for line in lines if line.startswith("排序模型："))

    assert said() == f"排序模型：{LATER}，可用。"
    with open_store(indexed / "store.db", create=False) as store:
        taught: dict[str, Any] = {
            "store_id": store.store_id,
            "lessons_digest": lessons(store).digest,
        }
    for changed in ({}, {"lessons_digest": "0"}, {"store_id": "别处"}):
        models.add(make_learned(**(taught | changed)))
    told = []
    for number in (1, 2, 3):
        models.use(number, by="程某", at=NOON, why="")
        line = said()
        assert line.startswith(f"排序模型：第 {number} 版（2026-03-01 ")
        told.append(line.partition("由 程某 启用），")[2])
    assert told == [
        "可用。", "可用。评级已有变化，可重新学习：jiebang learn。", "可用。它由另一个数据库的评级学得，可重新学习：jiebang learn。",
    ]  # fmt: skip


def test_doctor_finds_a_ranker_in_use_that_cannot_be_read_and_a_rollback_mends_it(
    jiebang: Command, indexed: Path, models: Models
) -> None:
    keep_models(models, 1.0, use=(1,))
    (models.root / "0001" / "ranker.json").write_text("{}")
    outcome = jiebang("doctor")
    assert outcome.code == 1
    assert outcome.err == (
        "错误：排序模型：第 1 版排序模型正在使用，但无法读取：文件 ranker.json 在学习之后被改动过。\n"
        "处理：请运行 jiebang models rollback 退回上一个模型，或 jiebang models use default 改用随程序附带的模型。\n"
    )
    assert "索引：完好" in outcome.out
    assert "检查完成，发现 1 个问题。" in outcome.out
    assert jiebang("models", "rollback").code == 0
    assert jiebang("doctor").code == 0
    assert models.current_ranker(shipped_ranker()) == load_ranker(shipped_ranker())
