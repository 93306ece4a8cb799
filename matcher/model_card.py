"""A learned ranker in words: its card.

The card follows Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019): what it is, from what, how
measured, where it fails, how to reproduce it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matcher.ranker import LEVELS

if TYPE_CHECKING:
    from matcher.learning_report import Report

NEW, IN_USE = "新模型", "现用模型"  # what the report calls the two
WORSE = 0.05  # a scene that loses less nDCG@10 is not listed: so much comes and goes by chance
_MOST = 20


def card(report: "Report", *, version: int | None = None) -> str:
    """The card in Chinese Markdown, for whoever answers for the ranking; None for a ranker without a number.

    Scenes are named by their ids and people not at all.
    """
    sections = (
        _head(report, version), _data(report), _measured(report), _worse(report), _calibration(report), _weights(report),
        _listed("已知局限", report.limits), _reproducing(report), _going_back(version),
    )  # fmt: skip
    return "\n\n".join(section for section in sections if section) + "\n"


def verdict(report: "Report") -> str:
    """Whether it ranks better than the one in use, in half a sentence with its figures."""
    if not report.gains:
        return "没有可比的模型"
    gain = next((gain for gain in report.gains if gain.against == IN_USE), report.gains[0])
    return f"留出场景上的 nDCG@10 {_compared(gain.mean, gain.low, gain.high, gain.against)}"


def _head(report: "Report", version: int | None) -> str:
    name = f"：第 {version} 版" if version is not None else ""
    return (
        f"# 排序模型说明{name}\n\n"
        f"为应用场景和科技成果的匹配打分的模型，{report.made_on} 由人工评级和对接结果学得。得分由各个分项相加而成，"
        "没有不能说明的部分。它供对接人员排序参考，不代替人工判断，也不宜用作评奖、验收的唯一依据。\n\n"
        f"**结论：{verdict(report)}，{'优于' if report.better else '没有证明优于'}现用模型。**"
    )


def _data(report: "Report") -> str:
    levels = "、".join(
        f"{LEVELS[level]} {report.levels[level - 1]} 对" for level in sorted(LEVELS, reverse=True)
    )
    lines = [
        "## 用了什么数据",
        "",
        f"- 人工评级 {report.judgements} 条，对接结果 {report.outcomes} 条，来自 {report.judges} 位评级人",
        f"- 合并为 {report.pairs} 对“场景—成果”，涉及 {report.scenes} 个场景：{levels}",
        *(f"- 没有计入：{_plain(sentence)}" for sentence in report.left_out),
    ]
    return "\n".join(lines)


def _measured(report: "Report") -> str:
    rows = [
        [_plain(way.name), f"{_number(way.ndcg)}（{_number(way.ndcg_low)}–{_number(way.ndcg_high)}）",
         _number(way.mrr), _number(way.precision), _number(way.accuracy)]
        for way in report.ways
    ]  # fmt: skip
    said = [
        f"- {_compared(g.mean, g.low, g.high, g.against)}；重抽样中有 {g.chance:.0%} 的次数为正"
        for g in report.gains
    ]
    return "\n".join(
        [
            "## 怎样检验，结果如何",
            "",
            f"场景分成 {report.folds} 份，轮流留出一份，用其余各份学习，在留出的一份上检验：检验用的场景从未参与学习。"
            "括号内为 95% 区间（按场景重抽样）。",
            "",
            *_table(("模型", "nDCG@10", "MRR", "P@5", "1/(1+MAE)"), rows),
            "",
            "nDCG@10：前十名的排列与人工评级的一致程度；MRR：第一个较强相关以上的成果排得多靠前；"
            "P@5：前五名中较强相关以上的比例；1/(1+MAE)：预测等级与人工等级的接近程度。均在 0 到 1 之间，越大越好。",
            "",
            "同一批场景上成对比较（nDCG@10）：",
            "",
            *said,
        ]
    )


def _worse(report: "Report") -> str:
    if not report.worse:
        return f"## 变差的场景\n\n没有场景明显变差（下降超过 {WORSE}）。"
    ordered = sorted(report.worse, key=lambda entry: (entry.after - entry.before, entry.scene))
    rows = [
        [_plain(w.scene), _number(w.before), _number(w.after), _number(w.after - w.before, signed=True)]
        for w in ordered[:_MOST]
    ]
    return "\n".join(
        [
            "## 变差的场景",
            "",
            f"下列 {len(rows)} 个场景明显变差（nDCG@10 下降超过 {WORSE}），变差最多的在前。"
            "使用前请先看这些场景的排序是否可以接受。",
            "",
            *_table(("场景", "现用模型", "新模型", "变化"), rows),
        ]
    )


def _calibration(report: "Report") -> str:
    rows = [
        [f"{b.low:.0%}–{b.high:.0%}", str(b.pairs), _percent(b.predicted), _percent(b.observed)]
        for b in report.reliability
    ]
    return "\n".join(
        [
            "## 概率可信吗",
            "",
            "模型说“较强相关以上”的概率为若干时，实际被评为较强相关以上的占多少（留出场景）。"
            f"期望校准误差 {_number(report.ece)}（0 为完全相符）。",
            "",
            *_table(("模型所说概率", "对数", "平均所说", "实际占比"), rows),
        ]
    )


def _weights(report: "Report") -> str:
    rows = [
        [_plain(f.label), _points(f.before), _points(f.weight)]
        for f in sorted(report.features, key=lambda f: (-abs(f.weight), f.name))
    ]
    return "\n".join(
        [
            "## 看重什么",
            "",
            "每一项取值为 1 时的分数；空白为不使用。不同模型的得分尺度可能不同，比较时看各项之间的比例。",
            "",
            *_table(("分项", "现用模型", "新模型"), rows),
        ]
    )


def _reproducing(report: "Report") -> str:
    entries = (
        ("程序版本", report.program), ("随机种子", str(report.seed)), ("数据库", report.store_id),
        ("数据版本", str(report.revision)), ("历史末端摘要", report.head_hash), ("索引", report.generation),
        ("编码器", report.encoder), ("学习材料摘要（SHA-256）", report.lessons_digest),
    )  # fmt: skip
    lines = [f"- {label}：`{value.replace('`', '')}`" for label, value in entries]
    again = f"在同一数据版本上运行 `jiebang learn --seed {report.seed} --dry-run` 得到同样的权重和数字。"
    return "\n".join(["## 如何复现", "", again, "", *lines])


def _going_back(version: int | None) -> str:
    lines = ["## 如何退回", ""]
    if version is not None:
        lines.append(f"- 启用本版：`jiebang models use {version}`")
    lines += [
        "- 退回上一个用过的模型：`jiebang models rollback`",
        "- 改用随程序附带的模型：`jiebang models use default`",
        "- 先看它怎样改变一个场景的排序：`jiebang models compare default "
        f"{'版本号' if version is None else version} 场景编号`",
    ]
    return "\n".join(lines)


def _listed(title: str, sentences: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {_plain(s)}" for s in sentences)]) if sentences else ""


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(headers), _row(["---"] * len(headers)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text of others, so that it neither breaks a table nor marks anything up."""
    line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#" else c for c in line)


def _compared(mean: float, low: float, high: float, against: str) -> str:
    direction = "高" if mean >= 0 else "低"
    return f"比{against}{direction} {abs(mean):.4f}（95% 区间 {low:+.4f}～{high:+.4f}）"


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None or math.isnan(value):
        return "—"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "—" if value is None or math.isnan(value) else f"{value:.1%}"


def _points(value: float | None) -> str:
    return "" if value is None or math.isnan(value) or value == 0 else f"{value:.2f}"
