import pytest

from graph.intake.guessing import guess_kind
from graph.intake.tables import Table
from graph.problems import Problem


def table(headers: list[str], *, source: str = "表.xlsx", sheet: str = "Sheet1", banner: str = "") -> Table:
    return Table(
        source=source,
        sheet=sheet,
        banner=(banner,) if banner else (),
        header_row=1,
        headers=tuple(headers),
        rows=(),
    )


@pytest.mark.parametrize(
    ("headers", "names", "kind"),
    [
        (["编号", "名称", "建设单位", "技术难点", "预算"], {}, "scene"),
        (["编号", "名称", "完成单位", "专利号", "成熟度"], {}, "achievement"),
        (["企业名称", "统一社会信用代码", "主营产品"], {}, "enterprise"),
        (["姓名", "等级", "所在机构", "累计成交"], {}, "broker"),
        (["案例名称", "首用首试", "量化成效"], {}, "case"),
        (["起点类型", "起点编号", "关系", "终点类型", "终点编号"], {}, "relation"),
        (["编号", "名称", "简介"], {"sheet": "科技成果"}, "achievement"),
        (["编号", "名称", "简介"], {"source": "2026年企业技术需求汇总.csv"}, "scene"),
        (["编号", "名称", "简介"], {"banner": "首批场景案例"}, "case"),
        (["编号", "名称", "建设单位"], {"sheet": "试验区"}, "zone"),
        (["demand_id", "achievement_id", "level"], {}, "judgement"),
        (["场景编号", "场景名称", "成果编号", "成果名称", "等级"], {"source": "场景打分.csv"}, "judgement"),
        (["场景编号", "成果编号", "结果", "经办人"], {}, "outcome"),
        (["编号", "名称", "简介"], {"source": "成果评级.csv"}, "achievement"),
        (["案例编号", "案例名称", "场景编号", "成果编号", "量化成效"], {}, "case"),
    ],
)
def test_guess_kind_reads_headers_and_names(headers: list[str], names: dict[str, str], kind: str) -> None:
    assert guess_kind(table(headers, **names)) == kind


def test_guess_kind_asks_where_several_fit() -> None:
    guess = guess_kind(table(["题名", "内容"]))
    assert isinstance(guess, Problem)
    assert guess.code == "kind_unclear"
    assert "应用场景（scene）" in guess.remedy
    assert "科技成果（achievement）" in guess.remedy
    nothing = guess_kind(table(["甲", "乙"]))
    assert isinstance(nothing, Problem)
    assert "没有认出表头" in nothing.message
