import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.store.store import open_store
from matcher.engine import Engine
from matcher.experience import learn_experience
from matcher.home import Home
from matcher.models import Models
from tests.factories import NOON, make_learned, put

Command = Callable[..., Any]
Rows = Callable[[Path], list[list[str]]]

HEADER = ["scene_id", "achievement_id", "score", "p1", "p2", "p3", "p4", "level"]
PAIRS = [("CJ-1", "CG-1"), ("CJ-1", "CG-4"), ("CJ-3", "CG-3"), ("CJ-1", "CG-1")]
# Five judgements make a scene count; the fifth achievement is like none of them.
JUDGED = "scene_id,achievement_id,level\n" + "".join(
    f"CJ-{scene},CG-{achievement},{4 if scene == achievement else 2 if achievement == 5 else 1}\n"
    for scene in (1, 2, 3)
    for achievement in (1, 2, 3, 4, 5)
)


@pytest.fixture
def judged(jiebang: Command, indexed: Path, written: Callable[..., Path]) -> None:
    """The indexed world with the fifth achievement."""
    table = written("编号,名称\nCG-5,水泥窑尾气余热回收\n", "成果.csv")
    assert jiebang("import", table, "--kind", "成果").code == 0


def scored(home: Path, pairs: list[tuple[str, str]]) -> list[list[str]]:
    """What the engine says of pairs it knows, as the csv writes it."""
    with Engine.open(Home(path=home), encoder="bigrams") as engine:
        rows = []
        for (scene, achievement), match in zip(
            pairs, engine.score_pairs(pairs, today=date.today()), strict=True
        ):
            assert match is not None
            numbers = [f"{n:.6f}" for n in (match.score, *match.probabilities)]
            rows.append([scene, achievement, *numbers, str(match.level)])
        return rows


@pytest.mark.parametrize(
    "headers",
    [
        "scene_id,achievement_id",
        "demand_id,achievement_id",
        "需求编号,成果编号",
        "Demand_ID , ACHIEVEMENT_ID",
    ],
)
def test_score_writes_every_pair_in_order_with_exactly_these_columns(
    jiebang: Command, indexed: Path, written: Callable[..., Path], rows_of: Rows, tmp_path: Path, headers: str
) -> None:
    pairs = written(headers + "\n" + "".join(f"{s},{a}\n" for s, a in PAIRS), "对.csv")
    out = tmp_path / "得分.csv"
    outcome = jiebang("score", pairs, "--out", out)
    assert (outcome.code, outcome.out, outcome.err) == (
        0,
        f"已为 4 对打分，写到 {out}（随程序附带的模型 default-1，数据版本 1）。\n",
        "",
    )
    assert rows_of(out) == [HEADER, *scored(indexed, PAIRS)]


def test_score_agrees_with_match(
    jiebang: Command, indexed: Path, written: Callable[..., Path], rows_of: Rows, tmp_path: Path
) -> None:
    found: list[dict[str, Any]] = json.loads(jiebang("match", "CJ-1", "--json").out)["matches"]
    pairs = written("scene_id,achievement_id\n" + "".join(f"CJ-1,{m['id']}\n" for m in found))
    assert jiebang("score", pairs, "--out", tmp_path / "得分.csv").code == 0
    assert [(row[1], row[2], row[7]) for row in rows_of(tmp_path / "得分.csv")[1:]] == [
        (m["id"], f"{m['score']:.6f}", str(m["level"])) for m in found
    ]


def test_score_as_of_an_earlier_revision_gives_what_was_told_then(
    jiebang: Command, indexed: Path, written: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = written("scene_id,achievement_id\n" + "".join(f"{s},{a}\n" for s, a in PAIRS))
    first, second, third = (tmp_path / f"{name}.csv" for name in "一二三")
    assert jiebang("score", pairs, "--out", first).code == 0
    with open_store(indexed / "store.db", create=False) as store:
        scene = store.get("scene", PAIRS[0][0])
        assert scene is not None
        put(store, scene.model_copy(update={"title": "另一件事"}))
    assert jiebang("score", pairs, "--out", second).code == 0
    assert second.read_bytes() != first.read_bytes()
    outcome = jiebang("score", pairs, "--out", third, "--as-of", 1, "--model", "default")
    assert (outcome.code, "数据版本 1）" in outcome.out) == (0, True)
    assert third.read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--as-of", 99), "没有第 99 次改动"), (("--model", "7"), "7"), (("--model", "新"), "看不懂")],
)
@pytest.mark.usefixtures("indexed")
def test_score_refuses_a_revision_or_model_that_is_not(
    jiebang: Command, written: Callable[..., Path], tmp_path: Path, options: tuple[Any, ...], said: str
) -> None:
    pairs = written("scene_id,achievement_id\nCJ-1,CG-1\n")
    outcome = jiebang("score", pairs, "--out", tmp_path / "得分.csv", *options)
    assert (outcome.code, said in outcome.err) == (1, True)
    assert not (tmp_path / "得分.csv").exists()


def test_unknown_ids_are_left_blank_named_and_end_with_3(
    jiebang: Command, indexed: Path, written: Callable[..., Path], rows_of: Rows, tmp_path: Path
) -> None:
    pairs = written(
        "scene_id,achievement_id,备注\nCJ-1,CG-1,\nCJ-99,CG-1,\n,,\nCJ-1,CG-99,\nCG-1,CJ-1,\nCJ-1,,\n"
    )
    out = tmp_path / "得分.csv"
    outcome = jiebang("score", pairs, "--out", out)
    assert (outcome.code, outcome.out) == (
        3,
        f"已为 1 对打分，写到 {out}（随程序附带的模型 default-1，数据版本 1）。\n",
    )
    assert outcome.err == (
        "错误：有 4 对的编号不在库中（CJ-99—CG-1、CJ-1—CG-99、CG-1—CJ-1 等），结果留空。\n处理：请先导入对应的场景和成果。\n"
    )
    blank = [""] * 6
    assert rows_of(out) == [
        HEADER, *scored(indexed, PAIRS[:1]),
        ["CJ-99", "CG-1", *blank], ["CJ-1", "CG-99", *blank], ["CG-1", "CJ-1", *blank], ["CJ-1", "", *blank],
    ]  # fmt: skip


def test_pairs_may_stand_in_a_workbook_under_a_banner_with_numbers_for_ids(
    jiebang: Command, indexed: Path, written: Callable[..., Path], rows_of: Rows, tmp_path: Path
) -> None:
    assert jiebang("import", written("编号,名称\n101,海岛送药\n", "成果.csv"), "--kind", "成果").code == 0
    import openpyxl

    workbook = openpyxl.Workbook()
    for row in (["评级表", None], ["demand_id", "achievement_id"], ["CJ-1", 101]):
        workbook.active.append(row)
    workbook.save(tmp_path / "对.xlsx")
    assert jiebang("score", tmp_path / "对.xlsx", "--out", tmp_path / "得分.csv").code == 0
    assert [row[:2] for row in rows_of(tmp_path / "得分.csv")] == [HEADER[:2], ["CJ-1", "101"]]


@pytest.mark.parametrize("command", ["score", "evaluate"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("scene,achievement_id\nCJ-1,CG-1\n", "“对.csv”缺少需要的列（现有列：scene、achievement_id）。"),
        ("scene_id,achievement_id,level\n", "“对.csv”里没有一对编号。"),
        ("", "“对.csv”里没有内容。"),
        (b"scene_id,achievement_id,level\nCJ-\xff\xfe\x80,CG-1,1\n", None),
    ],
)
def test_a_list_of_pairs_that_cannot_be_used_is_refused_and_nothing_is_written(
    jiebang: Command,
    indexed: Path,
    written: Callable[..., Path],
    tmp_path: Path,
    command: str,
    content: Any,
    message: str | None,
) -> None:
    out = tmp_path / "得分.csv"
    outcome = jiebang(command, written(content, "对.csv"), *(["--out", out] if command == "score" else []))
    assert (outcome.code, outcome.out, out.exists()) == (1, "", False)
    assert message is None or outcome.err.startswith(f"错误：{message}\n处理：")


@pytest.mark.parametrize(
    ("name", "message"),
    [("没有/得分.csv", "文件夹“没有”不存在。"), ("得分.xlsx", "不能写成“得分.xlsx”这种格式。")],
)
def test_score_refuses_a_place_it_cannot_write(
    jiebang: Command,
    indexed: Path,
    written: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = jiebang("score", written("scene_id,achievement_id\nCJ-1,CG-1\n"), "--out", name)
    assert (outcome.code, message in outcome.err) == (1, True)


@pytest.mark.usefixtures("judged")
def test_evaluate_compares_the_ranking_with_plain_methods(
    jiebang: Command, written: Callable[..., Path]
) -> None:
    path = written(JUDGED, "评级.csv")
    outcome = jiebang("evaluate", path, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert (found["judgements"], found["unknown"]) == (15, 0)
    assert [r["name"] for r in found["results"]] == ["当前排序", "随机顺序", "TF-IDF", "仅语义", "仅用词"]
    current = found["results"][0]
    assert (current["mrr"], current["precision@5"], current["gain_of_current"]) == (1.0, 0.2, None)
    assert all(0 <= r["ndcg@10"] <= 1 and r["1/(1+mae)"] is None for r in found["results"][1:])
    lines = jiebang("evaluate", path).out.splitlines()
    assert lines[:2] == [
        "评级 15 条；3 个场景中 3 个计入（至少 5 条评级，其中 1 条为 2 级以上）。",
        "场景不足 20 个，下面的数字只能参考。",
    ]
    assert lines[2].split()[0:2] == ["方法", "nDCG@10"]
    assert [line.split()[:2] for line in lines[3:]] == [
        [r["name"], f"{r['ndcg@10']:.4f}"] for r in found["results"]
    ]


@pytest.mark.usefixtures("judged")
def test_evaluate_says_how_many_judgements_the_model_in_use_has_learned_from(
    jiebang: Command, indexed: Path, written: Callable[..., Path]
) -> None:
    experience = learn_experience(
        encoder="bigrams/1", centre=np.zeros(32), scenes=np.eye(2, 32, dtype=np.float32),
        offers=np.eye(2, 32, dtype=np.float32), pairs=np.array([[0, 0], [1, 1]], dtype=np.int32), residuals=np.ones(2),
        certainty=np.ones(2), levels=np.ones(2), names=[("CJ-1", "CG-1"), ("CJ-1", "CG-77")],
    )  # fmt: skip
    learned = make_learned({"headline_words": 60.0, "experience": 40.0})
    models = Models(indexed / "models")
    models.add(replace(learned, ranker=replace(learned.ranker, experience=experience)))
    models.use(1, by="甲", at=NOON, why="试")
    path = written(JUDGED, "评级.csv")
    assert json.loads(jiebang("evaluate", path, "--json").out)["learned_from"] == 1
    assert "其中 1 条是现用模型学过的" in jiebang("evaluate", path).out.splitlines()[-1]


@pytest.mark.usefixtures("judged")
def test_levels_may_be_written_as_words(jiebang: Command, written: Callable[..., Path]) -> None:
    words = {"4": "强相关", "2": "弱相关", "1": "无相关"}
    said = "\n".join(
        line[:-1] + words[line[-1]] if line[-1] in words else line for line in JUDGED.strip().splitlines()
    )
    numbers, worded = (
        json.loads(jiebang("evaluate", written(text), "--json").out) for text in (JUDGED, said)
    )
    assert worded == numbers
    assert numbers["results"][0]["mrr"] == 1.0


@pytest.mark.usefixtures("judged")
def test_unknown_ids_in_judgements_are_counted_named_and_end_with_3(
    jiebang: Command, written: Callable[..., Path]
) -> None:
    outcome = jiebang("evaluate", written(JUDGED + "CJ-99,CG-1,1\n"), "--json")
    assert outcome.code == 3
    found = json.loads(outcome.out)
    assert (found["judgements"], found["unknown"]) == (15, 1)
    assert (
        outcome.err
        == "错误：另有 1 条评级的编号不在库中（CJ-99—CG-1），没有计入。\n处理：请先导入对应的场景和成果。\n"
    )


@pytest.mark.parametrize(
    ("content", "message", "remedy"),
    [
        (
            "CJ-1,CG-1,5",
            "“评级.csv”第 2 行：等级“5”看不懂。",
            "请填 1、2、3、4（或 无相关、弱相关、较强相关、强相关）。",
        ),
        (
            "CJ-1,CG-1,",
            "“评级.csv”第 2 行：等级“”看不懂。",
            "请填 1、2、3、4（或 无相关、弱相关、较强相关、强相关）。",
        ),
        (
            "CJ-1,CG-1,4",
            "1 个场景都不能计入：每个场景至少要有 5 条评级，其中至少 1 条为 2 级以上。",
            "请为每个场景多评几项成果后再检验。",
        ),
        ("CJ-9,CG-9,1", "评级中的编号都不在库中。", "请先用 jiebang import 导入对应的场景和成果。"),
    ],
)
def test_judgements_that_cannot_be_used_are_refused_with_their_row(
    jiebang: Command, indexed: Path, written: Callable[..., Path], content: str, message: str, remedy: str
) -> None:
    outcome = jiebang("evaluate", written(f"scene_id,achievement_id,level\n{content}\n", "评级.csv"))
    assert (outcome.code, outcome.out, outcome.err) == (1, "", f"错误：{message}\n处理：{remedy}\n")
