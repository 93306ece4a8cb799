import getpass
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.feedback import Judgement, Outcome
from graph.kinds import Achievement
from graph.problems import Refused
from graph.store.changes import PutFeedback, PutNode
from graph.store.store import Store, open_store
from matcher.agreement import agreement, funnel

Command = Callable[..., Any]

AIRLIFT = "“海岛无人机送药”（CJ-1）与“抗七级风垂直起降固定翼无人机”（CG-1）"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def kept(home: Path, kind: str = "judgement") -> list[tuple[Any, ...]]:
    """What the store holds, without times."""
    with open_store(home / "store.db") as store:
        if kind == "judgement":
            return [(j.scene, j.achievement, j.judge, j.level, j.reason) for j in store.judgements()]
        return [(o.scene, o.achievement, o.stage, o.by, o.reason) for o in store.outcomes()]


def revision(home: Path) -> int:
    with open_store(home / "store.db") as store:
        return store.revision()


def put(home: Path, *records: Judgement | Outcome) -> None:
    with open_store(home / "store.db") as store:
        store.apply([PutFeedback(record=r) for r in records], actor="甲", at=NOON, reason="准备")


def judged(scene: str, achievement: str, judge: str, level: int, reason: str = "") -> Judgement:
    return Judgement(scene=scene, achievement=achievement, judge=judge, level=level, at=NOON, reason=reason)


def reached(scene: str, achievement: str, stage: Any, day: int = 0, reason: str = "") -> Outcome:
    at = NOON + timedelta(days=day)
    return Outcome(scene=scene, achievement=achievement, stage=stage, by="甲", at=at, reason=reason)


@pytest.mark.parametrize("level", ["4", "４", "强相关", "强"])
def test_judge_keeps_who_said_what_and_why(jiebang: Command, world: Path, level: str) -> None:
    done = jiebang("judge", " cj-1", "ＣＧ-1", level, "--by", "李明", "--reason", "指标全部满足")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"已记录：{AIRLIFT}评为 4 级（强相关），评级人 李明。\n"
    assert kept(world) == [("CJ-1", "CG-1", "李明", 4, "指标全部满足")]


def test_judging_again_replaces_and_says_what(jiebang: Command, world: Path) -> None:
    jiebang("judge", "CJ-1", "CG-1", "4", "--by", "李明", "--reason", "看过样机")
    done = jiebang("judge", "CJ-1", "CG-1", "2", "--by", "李明")
    assert re.fullmatch(
        f"已记录：.*评为 2 级（弱相关），评级人 李明。\n替换了此人 {TIME} 的评级：4 级（强相关），理由：看过样机。\n",
        done.out,
    )
    assert kept(world) == [("CJ-1", "CG-1", "李明", 2, "")]


def test_judging_the_same_again_changes_nothing(jiebang: Command, world: Path) -> None:
    jiebang("judge", "CJ-1", "CG-1", "4", "--by", "李明", "--reason", "看过样机")
    before = revision(world)
    done = jiebang("judge", "CJ-1", "CG-1", "强相关", "--by", "李明")
    assert (done.code, done.out.startswith(f"没有变化：{AIRLIFT}，李明 此前（")) == (0, True)
    assert (revision(world), kept(world)[0][-1]) == (before, "看过样机")


def test_judge_points_to_somebody_two_levels_away(jiebang: Command, world: Path) -> None:
    jiebang("judge", "CJ-1", "CG-1", "3", "--by", "王芳")
    jiebang("judge", "CJ-1", "CG-1", "4", "--by", "赵强", "--reason", "能飞")
    done = jiebang("judge", "CJ-1", "CG-1", "2", "--by", "李明")
    assert done.out.splitlines()[1:] == [
        "注意：赵强 评为 4 级（强相关），理由：能飞；相差较大，最好商量一下。"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message", "remedy"),
    [
        (["CJ-1", "CG-1", "5"], 2, "看不懂等级“5”。", None),
        (["CJ-1O", "CG-1", "4"], 1, "库中没有编号为“CJ-1O”的应用场景。", "你是否想写 CJ-1（海岛无人机送药）"),
        (["CJ-1", "1", "4"], 1, "库中没有编号为“1”的科技成果。", "你是否想写 CG-1（抗七级风垂直起降固定翼无人机）？"),
        (["CJ-1", "无", "4"], 1, "库中没有编号为“无”的科技成果。", "请核对编号；jiebang export 全部.xlsx 可以查看所有编号。"),
        (["CG-1", "CJ-1", "4"], 1, "“CG-1”是科技成果，不是应用场景。", "请在这里写应用场景的编号；先写场景编号，再写成果编号。"),
        (["CJ-1", "QY-1", "4"], 1, "“QY-1”是企业，不是科技成果。", "请在这里写科技成果的编号；先写场景编号，再写成果编号。"),
        (["CJ-1", "", "4"], 1, "库中没有编号为“”的科技成果。", "请核对编号；jiebang export 全部.xlsx 可以查看所有编号。"),
        (["CJ-1", "CG-1"], 2, "没有写等级。", "请在最后写一个：4（强相关）、3（较强相关）、2（弱相关）、1（无相关）"),
        (["CJ-1", "CG-1", "4", "--by", "你的姓名"], 2, "“你的姓名”不是人名。", "请加 --by 姓名"),
        (["CJ-1", "CG-1", "4", "--by", "Root"], 2, "“Root”不是人名。", "请加 --by 姓名"),
        (["CJ-1", "CG-1", "4", "--by", "  "], 2, "--by 后面没有内容。", "请写姓名。"),
    ],
)  # fmt: skip
def test_judge_refuses_what_it_cannot_understand(
    jiebang: Command,
    world: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
    remedy: str | None,
) -> None:
    monkeypatch.setenv("JIEBANG_USER", "李明")
    done = jiebang("judge", *arguments)
    assert (done.code, done.out, done.err.splitlines()[0]) == (code, "", f"错误：{message}")
    assert remedy is None or done.err.splitlines()[1].startswith(f"处理：{remedy}")
    assert kept(world) == []


@pytest.mark.parametrize(
    ("user", "judge"), [("liming", "liming"), ("Administrator", None), ("root", None), ("", None)]
)
def test_the_judge_is_the_user_of_the_computer_unless_that_is_nobody(
    jiebang: Command, world: Path, monkeypatch: pytest.MonkeyPatch, user: str, judge: str | None
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    done = jiebang("judge", "CJ-1", "CG-1", "4")
    assert [row[2] for row in kept(world)] == ([judge] if judge else [])
    assert judge or (done.code, done.err.splitlines()[0]) == (2, "错误：没有写明是谁。")


def test_judgements_of_nobody_say_how_to_begin(jiebang: Command, world: Path) -> None:
    for arguments, begins in (([], "还没有评级。"), (["--scene", "CJ-2"], "场景 CJ-2 还没有评级。")):
        done = jiebang("judgements", *arguments)
        assert (done.code, done.out.splitlines()[0]) == (0, begins)
        assert "jiebang judge 场景编号 成果编号 等级" in done.out


SAID = [
    judged("CJ-1", "CG-1", "李明", 4, "能飞"),
    judged("CJ-1", "CG-1", "王芳", 1, "抗风没有实测"),
    judged("CJ-1", "CG-2", "李明", 1),
    judged("CJ-1", "CG-2", "王芳", 1),
    judged("CJ-2", "CG-2", "李明", 3),
]


def test_judgements_show_how_far_judges_agree_and_where_not(jiebang: Command, world: Path) -> None:
    put(world, *SAID)
    lines = jiebang("judgements").out.splitlines()
    alpha = agreement(SAID).alpha
    assert lines[:2] == [
        "评级 5 条，涉及 3 对“场景—成果”，评级人 2 位；两人以上评过的 2 对。",
        "其中意见完全相同 50%，相差不超过一级 50%。",
    ]
    assert f"{alpha:.2f}，但共同评过的不足 10 对，还说明不了什么" in lines[2]
    assert [line.split() for line in lines[5:7]] == [
        ["李明", "3", "2.67", "+1.50（2", "对）", "1", "1", "0", "1"],
        ["王芳", "2", "1.00", "-1.50（2", "对）", "0", "0", "0", "2"],
    ]
    assert lines[7:] == [
        "意见相差两级以上的 1 对，最好商量一下：",
        "  CJ-1 海岛无人机送药 — CG-1 抗七级风垂直起降固定翼无人机：李明 4 级（强相关）（能飞）；王芳 1 级（无相关）（抗风没有实测）",
    ]


@pytest.mark.parametrize(
    ("levels", "word"),
    [([1, 4] * 6, "可靠"), ([2, 3] * 4 + [1, 4] * 2, "尚可"), ([4, 1] * 6, "偏低")],
)
def test_agreement_is_put_in_words(jiebang: Command, world: Path, levels: list[int], word: str) -> None:
    ids = [f"CG-{number}" for number in range(10, 22)]
    own = [judged("CJ-1", id, "李明", level) for id, level in zip(ids, [1, 4] * 6, strict=True)]
    others = [judged("CJ-1", id, "王芳", level) for id, level in zip(ids, levels, strict=True)]
    with open_store(world / "store.db") as store:
        new = [PutNode(node=Achievement(id=id, title=id)) for id in ids]
        store.apply(new, actor="甲", at=NOON, reason="准备")
    put(world, *own, *others)
    assert f"，{word}（1 为完全一致" in jiebang("judgements").out


def test_judgements_without_a_second_judge_say_so(jiebang: Command, world: Path) -> None:
    put(world, SAID[0])
    assert "还没有哪一对由两人评过，无法衡量是否一致；请第二个人也评一部分。" in jiebang("judgements").out


def test_judgements_of_a_scene_are_listed_also_where_it_is_gone(jiebang: Command, world: Path) -> None:
    put(world, *SAID)
    lines = jiebang("judgements", "--scene", "cj-1").out.splitlines()
    assert lines[0] == "场景“海岛无人机送药”（CJ-1）的评级 4 条："
    assert [line.split()[0] for line in lines[2:]] == ["CG-1", "CG-1", "CG-2", "CG-2"]
    assert jiebang("undo", "1", "--by", "李明").code == 0
    assert jiebang("judgements", "--scene", "CJ-1").out.startswith("场景“（已删除）”（CJ-1）的评级 4 条：\n")
    assert jiebang("judgements", "--scene", "CJ-3").code == 1
    assert "— CG-1 （已删除）：李明" in jiebang("judgements").out


def test_judgements_for_programs(jiebang: Command, world: Path) -> None:
    put(world, *SAID)
    found = json.loads(jiebang("judgements", "--json").out)
    assert (found["alpha"], found["exact"], found["shared"]) == (agreement(SAID).alpha, 0.5, 2)
    assert [judge["name"] for judge in found["judges"]] == ["李明", "王芳"]
    assert [[j["level"] for j in c["judgements"]] for c in found["conflicts"]] == [[4, 1]]
    one = json.loads(jiebang("judgements", "--scene", "CJ-2", "--json").out)
    assert one == {"scene": "CJ-2", "judgements": [SAID[-1].model_dump(mode="json")]}
    assert json.loads(jiebang("judgements", "--scene", "CJ-3", "--json").out)["judgements"] == []


@pytest.mark.parametrize(("word", "stage"), [("已联系", "contacted"), ("met", "met"), ("意向", "intent")])
def test_outcome_keeps_a_stage(jiebang: Command, world: Path, word: str, stage: str) -> None:
    done = jiebang("outcome", "CJ-1", "CG-1", word, "--by", "李明", "--reason", "电话")
    assert (done.code, done.out.splitlines()[0][:3]) == (0, "已记录")
    assert kept(world, "outcome") == [("CJ-1", "CG-1", stage, "李明", "电话")]


@pytest.mark.parametrize("reason", [[], ["--reason", " "]])
def test_an_introduction_that_failed_needs_a_reason(jiebang: Command, world: Path, reason: list[str]) -> None:
    done = jiebang("outcome", "CJ-1", "CG-1", "未成", "--by", "李明", *reason)
    assert (done.code, done.err.splitlines()[0]) == (2, "错误：记“未成”要写原因。")
    assert kept(world, "outcome") == []


@pytest.mark.parametrize(
    ("before", "stage", "warnings"),
    [
        (["shown"], "contacted", []),
        ([], "declined", []),
        (["shown"], "intent", ["跳过了“已联系、已见面”；统计时算作已经过。"]),
        (["shown", "met"], "contacted", ["此前已记到“已见面”，这次记的是更早的一步；进展仍按“已见面”算。"]),
        (
            ["landed"],
            "declined",
            ["此前已记为“已落地”，现在记为“未成”；如果记错了，可用 jiebang undo 撤销。"],
        ),
        (["shown", "declined"], "contacted", ["曾记为“未成”（太贵）；现在起按继续推进算。"]),
        (["declined"], "shown", ["曾记为“未成”（太贵）；展示不改变这个结论。"]),
    ],
)
def test_outcome_warns_of_what_is_out_of_step_and_keeps_it(
    jiebang: Command, world: Path, before: list[str], stage: str, warnings: list[str]
) -> None:
    if before:
        put(
            world,
            *(
                reached("CJ-1", "CG-1", known, reason="太贵" if known == "declined" else "")
                for known in before
            ),
        )
    done = jiebang("outcome", "CJ-1", "CG-1", stage, "--by", "李明", "--reason", "谈过")
    told = [re.sub(f"^注意：({TIME} )?", "", line) for line in done.out.splitlines()[1:]]
    assert (done.code, told) == (0, warnings)
    assert sorted(row[2] for row in kept(world, "outcome")) == sorted([*before, stage])


def test_recording_a_stage_again_replaces_it_or_changes_nothing(jiebang: Command, world: Path) -> None:
    jiebang("outcome", "CJ-1", "CG-1", "已见面", "--by", "李明", "--reason", "线上")
    before = revision(world)
    again = jiebang("outcome", "CJ-1", "CG-1", "met", "--by", "李明")
    assert (again.code, again.out.startswith("没有变化："), revision(world)) == (0, True, before)
    done = jiebang("outcome", "CJ-1", "CG-1", "已见面", "--by", "王芳", "--reason", "现场")
    assert re.fullmatch(f"替换了此前的“已见面”记录（{TIME}，李明，线上）。", done.out.splitlines()[1])
    assert kept(world, "outcome") == [("CJ-1", "CG-1", "met", "王芳", "现场")]


CAME = [
    reached("CJ-1", "CG-1", "shown"), reached("CJ-1", "CG-1", "met", 1), reached("CJ-1", "CG-2", "shown"),
    reached("CJ-1", "CG-2", "declined", 1, "太贵"), reached("CJ-2", "CG-2", "declined", 0, "太贵"),
]  # fmt: skip


def test_outcomes_show_the_funnel_and_why_introductions_failed(jiebang: Command, world: Path) -> None:
    assert jiebang("outcomes").out.startswith("还没有对接记录。\n")
    put(world, *CAME)
    lines = jiebang("outcomes").out.splitlines()
    assert lines[0] == "有记录的“场景—成果”共 3 对："
    assert [line.split() for line in lines[2:6]] == [
        ["已展示", "2", "100%", "0"],
        ["已联系", "1", "50%", "50%", "0"],
        ["已见面", "1", "50%", "100%", "1"],
        ["有意向", "0", "0%", "0%", "0"],
    ]
    assert lines[-2:] == ["未成 2 对（其中 1 对没有记过别的阶段，不在上表里），原因：", "  2 对：太贵"]


def test_outcomes_of_a_scene_are_listed_furthest_first(jiebang: Command, world: Path) -> None:
    put(world, *CAME)
    lines = jiebang("outcomes", "--scene", "cj-1").out.splitlines()
    assert lines[0] == "场景“海岛无人机送药”（CJ-1）的对接 2 对，走得最远的在前："
    assert [line.split()[0] for line in lines[2:]] == ["CG-1", "CG-2"]
    assert [("已见面" in line, "未成（已展示之后）" in line) for line in lines[2:]] == [
        (True, False),
        (False, True),
    ]
    assert jiebang("outcomes", "--scene", "CJ-3").out.startswith("场景 CJ-3 还没有对接记录。\n")


def test_outcomes_for_programs(jiebang: Command, world: Path) -> None:
    put(world, *CAME)
    found = json.loads(jiebang("outcomes", "--json").out)
    assert [(s["stage"], s["reached"]) for s in found["steps"]] == [
        (step.stage, step.reached) for step in funnel(CAME).steps
    ]
    assert (found["pairs"], found["declined"], found["reasons"]) == (3, 2, [["太贵", 2]])
    one = json.loads(jiebang("outcomes", "--scene", "CJ-2", "--json").out)
    assert one == {"scene": "CJ-2", "outcomes": [CAME[-1].model_dump(mode="json")]}


def shown_in(home: Path) -> list[tuple[str, str, int | None, str, str]]:
    with open_store(home / "store.db") as store:
        return [
            (o.scene, o.achievement, o.rank, o.ranker, o.by) for o in store.outcomes() if o.stage == "shown"
        ]


@pytest.mark.parametrize("subject", ["CJ-1", "CG-1"])
def test_match_records_what_it_has_shown_once(
    jiebang: Command, indexed: Path, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    monkeypatch.setenv("JIEBANG_USER", "李明")
    found = json.loads(jiebang("match", subject, "--top", "2", "--json").out)["matches"]
    as_pair = {m["id"]: ("CJ-1", m["id"]) if subject == "CJ-1" else (m["id"], "CG-1") for m in found}
    rows = shown_in(indexed)
    assert {row[:3] for row in rows} == {(*as_pair[m["id"]], m["rank"]) for m in found}
    assert {row[4] for row in rows} == {"李明"}
    assert all(row[3] for row in rows)
    after = revision(indexed)
    assert jiebang("match", subject, "--top", "2").code == 0
    assert revision(indexed) == after
    assert jiebang("match", subject, "--top", "3").code == 0
    assert (revision(indexed), len(shown_in(indexed))) == (after + 1, 3)
    assert set(rows) < set(shown_in(indexed))


def test_a_workbook_of_all_scenes_records_its_pairs_in_one_batch(
    jiebang: Command, indexed: Path, tmp_path: Path
) -> None:
    before = revision(indexed)
    assert jiebang("match", "--all", "--top", "2", "--out", tmp_path / "全部.xlsx").code == 0
    assert (revision(indexed), len(shown_in(indexed))) == (before + 1, 6)


@pytest.mark.parametrize(
    "arguments",
    [
        ["CJ-1", "--no-record"],
        ["--text", "海岛送药"],
        ["CJ-1", "--for", "enterprise"],
        ["CJ-1", "--brokers", "CG-1"],
        ["CJ-1", "--field", "开源生态"],
    ],
)
def test_match_leaves_no_trace_where_there_is_nothing_to_record(
    jiebang: Command, indexed: Path, arguments: list[str]
) -> None:
    before = revision(indexed)
    assert (jiebang("match", *arguments).code, revision(indexed)) == (0, before)


def test_a_store_that_cannot_be_written_costs_one_line_and_not_the_answer(
    jiebang: Command, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise Refused("store_locked", "数据库正被另一个程序写入。", "请稍后再试。")

    expected = jiebang("match", "CJ-1", "--no-record").out
    monkeypatch.setattr(Store, "apply", locked)
    done = jiebang("match", "CJ-1")
    assert (done.code, done.out) == (0, expected)
    assert done.err == "提示：没能记下这次展示了哪些（数据库正被另一个程序写入），结果不受影响。\n"


def test_a_name_of_hundreds_of_characters_is_refused_by_judge_and_cut_by_match(
    jiebang: Command, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = jiebang("judge", "CJ-1", "CG-1", "4", "--by", "甲" * 300)
    assert (outcome.code, "姓名有 300 个字" in outcome.err) == (2, True)
    monkeypatch.setenv("JIEBANG_USER", "甲" * 300)
    assert (jiebang("match", "CJ-1", "--top", "1").code, jiebang("judge", "CJ-1", "CG-1", "4").code) == (0, 2)
    with open_store(indexed / "store.db", create=False) as store:
        assert [len(outcome.by) for outcome in store.outcomes()] == [100]
