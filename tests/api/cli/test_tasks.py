"""task, bid, race as a clerk writes them: from a scene to the end of a race."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.store.store import open_store
from tests.api.cli.conftest import Clock, Command, Outcome
from tests.matcher.boards import DAY, OPENING, firm, make_task, put_processes

ID = "BD-2026-001"
Sheets = Callable[[Path], dict[str, list[list[object]]]]


def _bid(number: int, *more: str) -> list[str]:
    bidder = firm(number)
    said = {
        "投标单位": bidder.name, "投标单位信用代码": bidder.uscc, "技术方案": f"复合翼方案{number}", "团队与条件": "十人",
        "申请金额": f"{200 - number}", "知识产权声明": "自有专利", "是否失信被执行人": "否",
    }  # fmt: skip
    given = [part for name, text in said.items() for part in ("--set", f"{name}={text}")]
    return [*given, "--answer", "抗风等级≥7级=8级", "--answer", "航程≥30km=25km", *more]


@pytest.fixture
def posted(indexed: Path, jiebang: Command, clock: Clock) -> Path:
    """The world with one racing task that takes bids until the end of March."""
    for arguments in (
        ("task", "from", "CJ-1", "--set", "遴选方式=赛马", "--set", "投标截止=2026-03-31 20:00", "--set", "公示工作日=0"),
        ("task", "move", ID, "送论证"),
        ("task", "move", ID, "论证意见", "--opinion", "同意", "--by", "程某"),
        ("task", "move", ID, "发榜"),
    ):  # fmt: skip
        done = jiebang(*arguments)
        assert (done.code, done.err) == (0, "")
    return indexed


def _opened(jiebang: Command, clock: Clock) -> Outcome:
    for number in (1, 2):
        assert jiebang("bid", "add", ID, *_bid(number)).code == 0
    clock.at = OPENING
    return jiebang("bid", "open", ID)


def test_a_scene_becomes_a_task_and_says_what_it_lacks(indexed: Path, jiebang: Command, clock: Clock) -> None:
    done = jiebang("task", "from", "cj-2")
    assert done.out.splitlines()[0] == f"已登记技术需求榜“院内药品配送机器人”，编号 {ID}。"
    assert "  错误  投标截止：没有写投标截止。写日期和时间，例如 2026-09-30 17:00。" in done.out
    told = jiebang("task", "move", ID, "发榜")
    assert (told.code, told.err) == (
        1, "错误：榜单现在是“需求登记”，不能办理“发榜”。\n处理：处于“论证”时才能办理；先办理“送论证”。\n",
    )  # fmt: skip
    assert jiebang("task", "move", ID, "修改", "--set", "榜金=12.5").code == 0
    assert "榜金：12.5 万元" in jiebang("task", "show", ID).out
    assert jiebang("task", "check", ID).code == 1
    wrong = jiebang("task", "move", ID, "修改", "--set", "颜色=红")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "错误：没有“颜色”这一项。")
    assert jiebang("task", "show", "2").err.splitlines() == [
        "错误：没有编号为“2”的榜单。",
        "处理：jiebang task list 列出全部榜单。",
    ]


def test_the_check_counts_answers_in_the_library(posted: Path, jiebang: Command) -> None:
    quick = jiebang("task", "check", ID, "--text-only")
    assert (quick.code, "库里能回应的成果" in quick.out) == (0, False)
    assert "库里能回应的成果" in jiebang("task", "check", ID).out


def test_a_filled_in_form_is_a_task_and_a_bid(
    indexed: Path, jiebang: Command, clock: Clock, tmp_path: Path, sheets_of: Sheets
) -> None:
    import openpyxl

    form = tmp_path / "榜单表.xlsx"
    assert jiebang("task", "template", "--out", form).code == 0

    def fill(path: Path, sheet: str, given: dict[str, Any]) -> None:
        book = openpyxl.load_workbook(path)
        for row in book[sheet].iter_rows(min_row=2):
            if row[0].value in given:
                row[1].value = given[str(row[0].value)]
        book.save(path)

    fill(form, "榜单", {
        "榜单名称": "海岛送药", "发榜单位": "澜川海岛发展有限公司", "技术难点": "海上阵风大，现有多旋翼抗风不足，只能停飞",
        "技术指标": "抗风等级≥7级；航程≥30km", "榜金（万元）": 300, "投标截止": "2026-03-31 20:00", "验收条件": "第三方检测",
    })  # fmt: skip
    assert jiebang("task", "new", form, "--scene", "CJ-1").out.startswith(
        f"已登记技术需求榜“海岛送药”，编号 {ID}。"
    )
    shown = json.loads(jiebang("task", "show", ID, "--json").out)
    assert (shown["bounty"], shown["deadline"], shown["about"]) == (
        3_000_000,
        "2026-03-31T12:00:00Z",
        [["scene", "CJ-1"]],
    )
    for arguments in (("送论证",), ("论证意见", "--opinion", "好"), ("发榜",)):
        assert jiebang("task", "move", ID, *arguments).code == 0
    bid = tmp_path / "投标.xlsx"
    assert jiebang("bid", "template", ID, "--out", bid).code == 0
    assert [row[0] for row in sheets_of(bid)["指标应答"]] == ["指标", "抗风等级≥7级", "航程≥30km"]
    empty = jiebang("bid", "check", ID, bid)
    assert "没有填写内容" in empty.out
    fill(bid, "投标", {
        "投标单位": firm(1).name, "投标单位信用代码": firm(1).uscc, "技术方案": "复合翼", "团队与条件": "十人",
        "申请金额（万元）": 200, "知识产权声明": "自有", "是否失信被执行人": "否",
    })  # fmt: skip
    fill(bid, "指标应答", {"抗风等级≥7级": "8级", "航程≥30km": "45km"})
    assert jiebang("bid", "check", ID, bid).code == 0
    assert "已收到投标" in jiebang("bid", "add", ID, bid).out
    fill(bid, "投标", {"技术方案": "机密★10年"})
    assert jiebang("bid", "add", ID, bid).err.splitlines()[0] == "错误：“技术方案”：内容标有密级，不能填报。"


def test_before_the_opening_only_the_number_is_told(posted: Path, jiebang: Command, clock: Clock) -> None:
    for number in (1, 2, 3):
        assert jiebang("bid", "add", ID, *_bid(number)).code == 0
    assert jiebang("bid", "withdraw", ID, "--bidder", firm(3).uscc or "").code == 0
    everything = [
        jiebang(*line)
        for line in (
            ("bid", "list", ID), ("bid", "list", ID, "--full", "--fit"), ("bid", "list", ID, "--json"), ("task", "show", ID),
            ("task", "show", ID, "--json"), ("task", "list", "--json"), ("history", "--all"), ("history", "--json"),
        )
    ]  # fmt: skip
    assert everything[0].out == f"{ID} 收到 2 个投标，密封，截止 2026-03-31 20:00:00 后开标才能看。\n"
    for outcome in everything:
        assert outcome.code == 0
        said = outcome.out + outcome.err
        assert [
            word
            for word in ("号航空科技", "复合翼方案", *(firm(n).uscc or "" for n in (1, 2, 3)))
            if word in said
        ] == []
    own = jiebang("bid", "list", ID, "--bidder", firm(1).uscc or "").out
    assert "复合翼方案1" in own
    assert "复合翼方案2" not in own
    early = jiebang("bid", "open", ID)
    assert (early.code, early.err.splitlines()[0]) == (1, "错误：投标截止 2026-03-31 20:00:00 还没有过。")


def test_a_bid_with_faults_is_told_all_of_them(posted: Path, jiebang: Command) -> None:
    done = jiebang("bid", "add", ID, "--set", "投标单位=澜川海岛发展公司")
    assert done.code == 1
    assert done.err == "错误：投标没有收下。\n处理：请按上面逐条改好再投。\n"
    assert done.out.count("  错误  ") == 9
    assert "发榜单位不能揭自己的榜" in done.out
    assert jiebang("bid", "add", ID).code == 2


def test_opened_bids_are_listed_with_fit_and_indicators(posted: Path, jiebang: Command, clock: Clock) -> None:
    opened = _opened(jiebang, clock)
    assert opened.out.splitlines()[0] == "已开标：收到 2 个投标，有效 2 个。"
    listed = jiebang("bid", "list", ID, "--fit", "--full").out
    assert "1／1／0" in listed
    assert "复合翼方案1" in listed
    assert "（比的是投标文本）" in listed
    late = jiebang("bid", "withdraw", ID, "--bidder", firm(1).uscc or "")
    assert (late.code, "截止后不得撤回" in late.err) == (1, True)


def test_a_race_is_run_from_award_to_conclusion(
    posted: Path, jiebang: Command, clock: Clock, tmp_path: Path
) -> None:
    _opened(jiebang, clock)
    half = jiebang("award", "propose", ID, "--point", "1=90", "--why", "1=全面")
    assert f"有的有效投标没有得分或理由（{firm(2).name}）" in half.err
    lines: list[tuple[timedelta, list[str]]] = [
        (DAY, ["award", "propose", ID, "--point", "1=90", "--why", "1=全面", "--point", f"{firm(2).name}=85.5", "--why", "2=贵"]),
        (DAY, ["award", "notice", ID, "--out", str(tmp_path / "公示.docx")]),
        (DAY, ["award", "confirm", ID]),
        (2 * DAY, ["task", "move", ID, "签约"]),
        (3 * DAY, ["race", "start", ID, "--gate", "样机；2026-05-01；检测报告；60分；50", "--gate", "试飞;2026-07-01;报告;前1名;30"]),
        (10 * DAY, ["race", "gate", ID, "--extend", "2026-05-10", "--reason", "台风"]),
        (45 * DAY, ["race", "gate", ID, "--point", "1=90", "--evidence", "1=报告", "--point", "2=80", "--evidence", "2=报告"]),
        (46 * DAY, ["race", "withdraw", ID, firm(2).name, "--reason", "资金不足", "--refund", "20"]),
        (99 * DAY, ["race", "gate", ID, "--point", f"{firm(1).name}=88", "--evidence", "1=报告"]),
        (100 * DAY, ["task", "move", ID, "转绩效评价"]),
        (101 * DAY, ["task", "move", ID, "结题", "--set", "绩效得分=92", "--set", "绩效等级=优秀", "--set", "绩效报告=达到"]),
    ]  # fmt: skip
    for later, line in lines:
        clock.at = OPENING + later
        done = jiebang(*line)
        assert (done.code, done.err) == (0, ""), line
    assert done.out.splitlines()[1:] == [f"{ID} 现在是“结题”。", f"接下来：写成案例 jiebang case from {ID}"]
    race = jiebang("race", "show", ID).out
    assert "资金：预算 200 万元 = 已拨付 110 万元 + 已收回 90 万元 + 预留 0 万元" in race
    assert f"1. {firm(1).name}：完赛，优胜，已拨付 80 万元" in race
    assert json.loads(jiebang("race", "show", ID, "--json").out)["state"] == "finished"


@pytest.mark.parametrize("gate", ["样机", "样机；2026-05-01；报告；优秀；50", "样机；哪天；报告；60分；50"])
def test_a_gate_that_cannot_be_read_is_told_how_to_write(posted: Path, jiebang: Command, gate: str) -> None:
    done = jiebang("race", "start", ID, "--gate", gate)
    assert (done.code, "处理：" in done.err) == (2, True)


def test_invitations_are_told_once(posted: Path, jiebang: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from matcher.task_policy import task_policy

    easy = replace(task_policy(), answer_level=1)
    monkeypatch.setattr("matcher.invitations.task_policy", lambda: easy)
    look = jiebang("task", "invite", ID, "--no-record").out
    first = jiebang("task", "invite", ID).out
    assert look.splitlines()[1:] == first.splitlines()[1:]
    assert "澜川海岛" not in "".join(line for line in first.splitlines() if "成果团队" in line)
    assert "云岬航空科技有限公司" in first
    again = jiebang("task", "invite", ID).out
    assert "云岬航空科技有限公司" not in again


def test_the_list_is_told_late_and_written_to_publish(
    posted: Path, jiebang: Command, clock: Clock, tmp_path: Path, sheets_of: Sheets
) -> None:
    jiebang("task", "from", "CJ-2", "--set", "榜单名称=@SUM(1)")
    assert [one["id"] for one in json.loads(jiebang("task", "list", "--state", "发榜", "--json").out)] == [ID]
    clock.at = OPENING + 99 * DAY
    late = jiebang("task", "list", "--late").out
    assert ("BD-2026-002" in late, ID in late, "超期" in late) == (True, False, True)
    out = tmp_path / "榜单.xlsx"
    done = jiebang("task", "list", "--out", out)
    assert done.out == f"已把 1 个榜单写到 {out}；另有 1 个没有发榜，没有写入。\n"
    head, row = sheets_of(out)["榜单"]
    told = dict(zip(head, row, strict=True))
    assert (told["榜单编号"], told["榜金（万元）"], told["投标截止"], told["投标数"], told["状态"]) == (
        ID, "200", "2026-03-31 20:00:00", None, "发榜",
    )  # fmt: skip
    assert jiebang("task", "list", "--state", "飞").code == 2


def test_an_id_is_listed_whole(posted: Path, jiebang: Command) -> None:
    id = "BD-0123456789abcdef"  # as those have that partners register
    with open_store(posted / "store.db") as store:
        put_processes(store, [make_task(id)])
    assert [line.split()[0] for line in jiebang("task", "list").out.splitlines()[1:3]] == [id, ID]


def test_a_task_sent_on_too_early_says_the_way_back(indexed: Path, jiebang: Command, clock: Clock) -> None:
    jiebang("task", "from", "CJ-2")
    sent = jiebang("task", "move", ID, "送论证").out.splitlines()
    assert sent[2:] == [
        f"接下来：“投标截止”没有写好，发不了榜；先 jiebang task move {ID} 退回修改 --reason 理由",
        f"        （哪里不对：jiebang task check {ID} --text-only）",
    ]
    assert jiebang("task", "move", ID, "修改", "--set", "榜金=9").err.splitlines()[1] == (
        "处理：处于“需求登记”时才能办理；先办理“退回修改”。"
    )
    assert jiebang("task", "move", ID, "退回修改").err.splitlines() == [
        "错误：没有写理由。",
        "处理：请写明理由，它会告知有关各方并记入历史。",
        f"写法：jiebang task move {ID} 退回修改 --reason 理由",
    ]


def test_several_things_in_the_way_are_told_each_with_its_remedy(
    indexed: Path, jiebang: Command, clock: Clock
) -> None:
    jiebang("task", "from", "CJ-2")
    jiebang("task", "move", ID, "送论证")
    told = jiebang("task", "move", ID, "发榜").err.splitlines()
    assert told[:2] == [
        "错误：论证同意 0 人，共 0 人发表意见。",
        "处理：至少要有 1 位专家同意，并过半数；否则请退回修改或驳回。",
    ]
    assert [line[:3] for line in told] == ["错误：", "处理："] * (len(told) // 2)
    assert len(told) > 2


def test_a_task_sent_back_is_judged_anew_by_the_same_expert(
    indexed: Path, jiebang: Command, clock: Clock
) -> None:
    jiebang("task", "from", "CJ-1", "--set", "投标截止=2026-03-31")
    opinion = ("task", "move", ID, "论证意见", "--opinion", "同意", "--by", "程某")
    for step in (
        ("task", "move", ID, "送论证"),
        opinion,
        ("task", "move", ID, "退回修改", "--reason", "指标要改"),
        ("task", "move", ID, "修改", "--set", "榜金=12"),
        ("task", "move", ID, "送论证"),
    ):
        assert jiebang(*step).code == 0
    assert "论证同意 0 人" in jiebang("task", "move", ID, "发榜").err
    assert jiebang(*opinion).code == 0
    assert jiebang("task", "move", ID, "发榜").code == 0


def test_a_field_named_in_part_is_guessed(indexed: Path, jiebang: Command, clock: Clock) -> None:
    assert jiebang("task", "from", "CJ-2", "--set", "截止=2026-03-31").err.splitlines() == [
        "错误：没有“截止”这一项。",
        "处理：你是否想写 投标截止？",
    ]


def test_a_task_that_takes_no_bids_says_so(indexed: Path, jiebang: Command, clock: Clock) -> None:
    jiebang("task", "from", "CJ-2")
    assert jiebang("bid", "list", ID).out == f"{ID} 还没有发榜，没有投标。\n"
    assert (
        jiebang("bid", "open", ID).err.splitlines()[0] == "错误：榜单现在是“需求登记”，不能办理“开标评榜”。"
    )


def test_a_race_says_which_gate_is_next_and_when_it_is_over(
    posted: Path, jiebang: Command, clock: Clock, tmp_path: Path
) -> None:
    _opened(jiebang, clock)
    for line in (
        ["award", "propose", ID, "--point", "1=90", "--why", "1=全面", "--point", "2=85", "--why", "2=贵"],
        ["award", "notice", ID, "--out", str(tmp_path / "公示.docx")],
        ["award", "confirm", ID],
        ["task", "move", ID, "签约"],
        ["race", "start", ID, "--gate", "样机；2026-06-01；检测报告；60分；50"],
    ):
        clock.at += DAY
        done = jiebang(*line)
    one, two = firm(1).name, firm(2).name
    gate = f"jiebang race gate {ID} --point {one}=得分 --evidence {one}=证据 --point {two}=得分 --evidence {two}=证据"
    assert done.out.splitlines()[-1] == f"接下来：评“样机” {gate}"
    judged = (
        "race",
        "gate",
        ID,
        "--point",
        "1=90",
        "--evidence",
        "1=报告",
        "--point",
        "2=50",
        "--evidence",
        "2=报告",
    )
    clock.at += 90 * DAY
    assert jiebang(*judged).out.splitlines()[-1] == f"接下来：jiebang task move {ID} 转绩效评价"
    assert jiebang(*judged).err.splitlines()[0] == f"错误：{ID} 的赛马已经结束，没有待评的关口。"
