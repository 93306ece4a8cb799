"""Indicators that cannot be meant: told with what to write, and nothing said against those that offices really write."""

import csv

import pytest

from graph.resources import resource
from matcher.indicator_sense import impossible
from matcher.indicators import parse_indicators


def _told(text: str) -> list[str]:
    return [problem.message for problem in impossible(parse_indicators(text))]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("航程≥30V", ["“航程≥30V”的单位“V”量不了航程"]),
        ("最大载重≥20km；航程≥30km", ["“最大载重≥20km”的单位“km”量不了载重"]),
        ("响应时间≤3kg", ["“响应时间≤3kg”的单位“kg”量不了时间"]),
        ("一次派单准确率≥500%", ["“一次派单准确率≥500%”超过了 100%"]),
        ("退单率≤4km", ["“退单率≤4km”的单位“km”不能用于比率"]),
        ("工作温度≥-400℃", ["“工作温度≥-400℃”低于绝对零度（-273.15℃）"]),
        ("成熟度达到TRL8；TRL≥15", ["“TRL≥15”超过了最高的 9 级"]),
        ("抗风能力≥99级", ["“抗风能力≥99级”超过了最高的 17 级"]),
        ("航程≥30km；航程≤10km", ["“航程≥30km”与“航程≤10km”不能同时满足"]),
    ],
)
def test_what_cannot_be_meant_is_told(text: str, told: list[str]) -> None:
    assert _told(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "增长率≥120%；回收率97%~102%；占塘面积6.5%；抓取成功率≥99.5%", "工作温度≥-60℃；工作温度≤80℃",
        "航程≥30km；夏季航程≤50km；航程≤60km", "处理速度≥30帧/s；压力≥500t；监测频率≥1次/h", "抗风≥17级；防护等级≥IP67；噪声≤65dB",
    ],
)  # fmt: skip
def test_what_may_be_meant_is_not_told(text: str) -> None:
    assert _told(text) == []


def test_nothing_is_told_of_the_sample_world() -> None:
    for path in sorted(resource("sample").glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [message for cell in cells for message in _told(cell)] == []
