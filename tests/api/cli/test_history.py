import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph.store.changes import PutProcess, RemoveProcess
from graph.store.store import open_store
from matcher.models import Models
from tests.api.cli.conftest import keep_models
from tests.graph.orders import NOON, make_order

Command = Callable[..., Any]

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"


def levels(home: Path) -> list[int]:
    with open_store(home / "store.db") as store:
        return [judgement.level for judgement in store.judgements()]


def revision(home: Path) -> int:
    with open_store(home / "store.db") as store:
        return store.revision()


def test_history_lists_the_last_changes_without_what_was_shown(jiebang: Command, indexed: Path) -> None:
    for number in range(1, 4):
        jiebang("judge", "CJ-1", "CG-1", number, "--by", "李明", "--reason", f"第{number}次")
        jiebang("match", f"CJ-{number}")
    done = jiebang("history")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["6", "4", "2", "1"]
    assert re.match(f"6 +{TIME}:\\d\\d +李明 +写入评级 1 +评级 3 级（较强相关）：第3次$", lines[1])
    assert lines[5:] == [
        "另有 3 次是匹配时自动记下的展示，没有列出（--all 列出）。",
        "撤销其中一次：jiebang undo 修订号 --reason 原因",
    ]
    assert [line.split()[0] for line in jiebang("history", "--limit", "2").out.splitlines()[1:3]] == [
        "6",
        "4",
    ]
    listed = json.loads(jiebang("history", "--all", "--limit", "3", "--json").out)
    assert [(r["revision"], r["reason"]) for r in listed["revisions"]] == [
        (7, "匹配时展示"), (6, "评级 3 级（较强相关）：第3次"), (5, "匹配时展示"),
    ]  # fmt: skip
    assert listed["hidden"] == 0


def test_history_of_a_record_says_what_changed(
    jiebang: Command, world: Path, written: Callable[..., Path]
) -> None:
    table = written("编号,名称,预算（万元）,所在区\nCJ-1,海岛无人机送药,350,\n", "改.csv")
    assert jiebang("import", table, "--kind", "场景", "--reason", "追加预算").code == 0
    for arguments in (["cj-1"], ["场景", "CJ-1"]):
        lines = jiebang("history", *arguments).out.splitlines()
        assert lines[0] == "应用场景 CJ-1 的改动，最近的在前："
        assert re.fullmatch(f"第 2 次改动 {TIME}:\\d\\d 命令行 修改：追加预算", lines[1])
        assert sorted(lines[2:4]) == ["  所在区：万山区 → （空）", "  预算（万元）：200 → 350"]
        assert re.fullmatch(f"第 1 次改动 {TIME}:\\d\\d 命令行 新增：导入 .*", lines[4])
    shortened = jiebang("history", "CJ-1", "--limit", "1").out.splitlines()
    assert shortened[-1] == "更早的还有 1 次（--limit 可以多列）。"
    found = json.loads(jiebang("history", "CJ-1", "--json").out)
    assert [(e["revision"], e["action"]) for e in found["history"]] == [(1, "put_node"), (2, "put_node")]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["怪物", "CJ-1"], 2, "不认识的类型“怪物”。"),
        (["场景", "CG-1"], 1, "“CG-1”是科技成果，不是应用场景。"),
        (["CJ-77"], 1, "库中没有编号为“CJ-77”的记录。"),
        (["a", "b", "c"], 2, "写了不止一条记录。"),
    ],
)
def test_history_of_what_is_not_there_is_refused(
    jiebang: Command, world: Path, arguments: list[str], code: int, message: str
) -> None:
    done = jiebang("history", *arguments)
    assert (done.code, done.out, done.err.splitlines()[0]) == (code, "", f"错误：{message}")


def test_history_counts_processes_by_their_own_word(jiebang: Command, world: Path) -> None:
    with open_store(world / "store.db") as store:
        orders = [PutProcess(process=make_order(id)) for id in "12"]
        store.apply(orders, actor="李明", at=NOON, reason="下单")
        store.apply([RemoveProcess(kind="order", id="1")], actor="李明", at=NOON, reason="撤单")
    lines = jiebang("history").out.splitlines()
    assert [line.split()[4:] for line in lines[1:3]] == [["删除流程", "1", "撤单"], ["写入流程", "2", "下单"]]
    assert jiebang("undo", "3", "--by", "王芳").out.startswith("已撤销第 3 次改动：恢复删除的 1 条。")


def test_history_of_an_empty_store(jiebang: Command, home: Path) -> None:
    assert jiebang("init").code == 0
    assert jiebang("history").out == "还没有写入过数据。\n"


def test_undo_puts_a_change_back_and_can_itself_be_undone(jiebang: Command, world: Path) -> None:
    jiebang("judge", "CJ-1", "CG-1", "4", "--by", "李明")
    jiebang("judge", "CJ-1", "CG-1", "2", "--by", "李明")
    done = jiebang("undo", "3", "--reason", "看错了行", "--by", "王芳")
    lines = done.out.splitlines()
    assert (done.code, lines[0]) == (0, "已撤销第 3 次改动：改回原样的 1 条。若要反悔：jiebang undo 4。")
    assert len(lines) == 1
    assert levels(world) == [4]
    assert "撤销第 3 次改动：看错了行" in jiebang("history").out
    assert jiebang("undo", "4", "--by", "王芳").code == 0
    assert levels(world) == [2]


def test_undo_speaks_of_learned_models_where_there_is_one(
    jiebang: Command, world: Path, models: Models
) -> None:
    keep_models(models, 1.0)
    jiebang("judge", "CJ-1", "CG-1", "4", "--by", "李明")
    lines = jiebang("undo", "2", "--by", "王芳").out.splitlines()
    assert ["jiebang learn" in line for line in lines] == [False, True]
    done = jiebang("undo", "2", "--by", "王芳")
    assert done.err.splitlines()[0] == "错误：第 2 次已由第 3 次撤销。"
    assert done.err.splitlines()[1].startswith("处理：若要恢复：jiebang undo 3；")


def test_history_and_show_of_a_record_tell_what_people_said_of_it(jiebang: Command, world: Path) -> None:
    jiebang("judge", "CJ-1", "CG-1", "4", "--by", "李明", "--reason", "合适")
    jiebang("outcome", "CJ-1", "CG-1", "已见面", "--by", "王芳")
    assert "写入对接结果 1" in jiebang("history").out
    for id, other in (("CJ-1", "CG-1"), ("CG-1", "CJ-1")):
        for command in ("history", "show"):
            lines = [re.sub(TIME + r":\d\d ", "", line) for line in jiebang(command, id).out.splitlines()]
            assert lines[-2:] == [
                f"第 3 次改动 王芳 新增对接结果（{other}）：已见面（王芳）",
                f"第 2 次改动 李明 新增评级（{other}）：李明 评为 4 级（强相关），合适",
            ]
    assert [e["revision"] for e in json.loads(jiebang("history", "CJ-1", "--json").out)["feedback"]] == [2, 3]


def test_undo_of_an_import_takes_away_what_it_added(jiebang: Command, world: Path) -> None:
    done = jiebang("undo", "1", "--by", "李明")
    assert re.match(r"已撤销第 1 次改动：去掉新增的 \d+ 条。", done.out)
    assert jiebang("show", "CJ-1").code == 1
    assert jiebang("undo", "2", "--by", "李明").out.startswith("已撤销第 2 次改动：恢复删除的 ")
    assert jiebang("show", "CJ-1").code == 0


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        ("2", 1, "应用场景 CJ-1 与 科技成果 CG-1 的评级（李明）"),
        ("9", 1, "没有第 9 次改动"),
        ("0", 2, "选项 修订号 的值太小"),
        ("abc", 2, "选项 修订号 后面应是整数"),
    ],
)
def test_undo_that_cannot_be_is_refused_and_changes_nothing(
    jiebang: Command, world: Path, number: str, code: int, said: str
) -> None:
    for level in ("4", "2"):
        jiebang("judge", "CJ-1", "CG-1", level, "--by", "李明")
    done = jiebang("undo", number, "--by", "李明")
    assert (done.code, done.out, said in done.err, revision(world)) == (code, "", True, 3)


def test_an_import_cannot_hide_among_what_matches_record(
    jiebang: Command, indexed: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "评级.csv"
    sheet.write_text("scene_id,achievement_id,level\nCJ-1,CG-1,4\n", encoding="utf-8")
    assert jiebang("import", "judgements", sheet, "--judge", "李明", "--reason", "匹配时展示").code == 0
    assert "导入 评级.csv（匹配时展示）" in jiebang("history").out
