"""Indicators as offices write them: how each clause is read, and how an offer answers a demand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.indicators import Answer, Indicator, Operator, Verdict, answers, parse_indicators

Reading = tuple[str, Operator, float, float, str]

# Clause, then (name, operator, low, high in the base unit, quantity).
CLAUSES: list[tuple[str, Reading]] = [
    ("单架次续航≥45min", ("单架次续航", "at_least", 2700, 2700, "time")),
    ("满载往返航程>100km", ("满载往返航程", "at_least", 1e5, 1e5, "length")),
    ("长度>=3公里（建成区）", ("长度", "at_least", 3000, 3000, "length")),
    ("抗风能力不低于6级", ("抗风能力", "at_least", 6, 6, "wind")),
    ("同时处置目标不少于30批", ("同时处置目标", "at_least", 30, 30, "批")),
    ("同时处置目标30批以上", ("同时处置目标", "at_least", 30, 30, "批")),
    ("转化率大于或等于90%", ("转化率", "at_least", 0.9, 0.9, "share")),
    ("脱盐率达到99.5%以上", ("脱盐率", "at_least", 0.995, 0.995, "share")),
    ("寿命可达10年", ("寿命", "at_least", 10 * 31536000, 10 * 31536000, "time")),
    ("机库防护等级不低于IP55", ("机库防护等级", "at_least", 55, 55, "number")),
    ("综合运输成本≤8元/kg", ("综合运输成本", "at_most", 8, 8, "money/mass")),
    ("日均虚警≤2次/站", ("日均虚警", "at_most", 2, 2, "次/站")),
    ("误差不超过3mm", ("误差", "at_most", 0.003, 0.003, "length")),
    ("响应时间小于等于1s", ("响应时间", "at_most", 1, 1, "time")),
    ("重复率3%以下", ("重复率", "at_most", 0.03, 0.03, "share")),
    ("投资回收期3年以内", ("投资回收期", "at_most", 3 * 31536000, 3 * 31536000, "time")),
    ("水分≯5%", ("水分", "at_most", 0.05, 0.05, "share")),
    ("出水总氮＜３．０ｍｇ／Ｌ", ("出水总氮", "at_most", 3e-6, 3e-6, "mass/volume")),
    ("定位误差±5cm", ("定位误差", "at_most", 0.05, 0.05, "length")),
    ("误差≤±0.5mm", ("误差", "at_most", 0.0005, 0.0005, "length")),
    ("噪声≤50dB(A)", ("噪声", "at_most", 50, 50, "level")),
    ("温度20±2℃", ("温度", "equal", 18, 22, "temperature")),
    ("温度20℃±2℃", ("温度", "equal", 18, 22, "temperature")),
    ("电压220V±10%", ("电压", "equal", 220, 220, "V")),
    ("厚度0.5~1.2μm", ("厚度", "equal", 5e-7, 1.2e-6, "length")),
    ("厚度1.2至0.5mm", ("厚度", "equal", 0.0005, 0.0012, "length")),
    ("盐度10-20‰", ("盐度", "equal", 0.01, 0.02, "share")),
    ("压力1.0MPa-2.5MPa", ("压力", "equal", 1e6, 2.5e6, "pressure")),
    ("直径800mm～1.2m", ("直径", "equal", 0.8, 1.2, "length")),
    ("工作温度-20~60℃", ("工作温度", "equal", -20, 60, "temperature")),
    ("工作温度：−40℃～－20℃", ("工作温度", "equal", -40, -20, "temperature")),
    ("储存温度不低于-30℃", ("储存温度", "at_least", -30, -30, "temperature")),
    ("航程-100km", ("航程", "equal", 1e5, 1e5, "length")),
    ("载荷２５ＫＧ", ("载荷", "equal", 25, 25, "mass")),
    ("价格：50万元", ("价格", "equal", 5e5, 5e5, "money")),
    ("年处理量≥3万吨", ("年处理量", "at_least", 3e7, 3e7, "mass")),
    ("疲劳寿命≥1,000,000次", ("疲劳寿命", "at_least", 1e6, 1e6, "次")),
    ("处理能力500m³/d", ("处理能力", "equal", 5e5 / 86400, 5e5 / 86400, "volume/time")),
    ("处理能力≥1.5×10^4m³/h", ("处理能力", "at_least", 1.5e7 / 3600, 1.5e7 / 3600, "volume/time")),
    ("菌落数≤1×10⁵CFU/mL", ("菌落数", "at_most", 1e8, 1e8, "CFU/volume")),
    ("检测下限≤1×104个/L", ("检测下限", "at_most", 1e4, 1e4, "个/volume")),
    ("绝缘电阻≥10⁶Ω", ("绝缘电阻", "at_least", 1e6, 1e6, "Ω")),
    ("检测限低至0.1μg/L", ("检测限", "equal", 1e-10, 1e-10, "mass/volume")),
    ("底图地面分辨率优于5cm", ("底图地面分辨率", "at_most", 0.05, 0.05, "length")),
    ("识别精度优于95%", ("识别精度", "equal", 0.95, 0.95, "share")),
    ("直径≥5cm破洞检出率≥95%", ("破洞检出率", "at_least", 0.95, 0.95, "share")),
    ("破洞（≥5cm）检出率91%", ("破洞检出率", "equal", 0.91, 0.91, "share")),
    ("每周4次以上训练率74%", ("训练率", "equal", 0.74, 0.74, "share")),
    ("10km²出图时间46min", ("出图时间", "equal", 2760, 2760, "time")),
    ("同时定量6个成分", ("同时定量", "equal", 6, 6, "个")),
    ("观测频次每日6次", ("观测频次", "equal", 6 / 86400, 6 / 86400, "次/time")),
    ("支持并发坐席60路", ("支持并发坐席", "at_least", 60, 60, "路")),
    ("PM2.5浓度≤35μg/m³", ("PM2.5浓度", "at_most", 3.5e-11, 3.5e-11, "mass/volume")),
    ("粒径D50≤10μm", ("粒径D50", "at_most", 1e-5, 1e-5, "length")),
    ("（1）识别准确率≥95%", ("识别准确率", "at_least", 0.95, 0.95, "share")),
    ("其中漏检率<1%", ("漏检率", "at_most", 0.01, 0.01, "share")),
    ("面积约18平方公里", ("面积", "equal", 1.8e7, 1.8e7, "area")),
    ("运行费用≤120元/亩·年", ("运行费用", "at_most", 120, 120, "money/亩·年")),
    ("容量20mAh", ("容量", "equal", 20, 20, "mAh")),
    ("速度18km/h", ("速度", "equal", 5, 5, "speed")),
    ("速度300m/min", ("速度", "equal", 5, 5, "speed")),
    ("20℃下粘度≤500mPa·s", ("粘度", "at_most", 500, 500, "mPa·s")),
    ("6级风下定位误差≤0.5m", ("定位误差", "at_most", 0.5, 0.5, "length")),
    ("浊度1000NTU时去除率≥95%", ("去除率", "at_least", 0.95, 0.95, "share")),
    ("正射底图现场成图时间≤1h", ("正射底图现场成图时间", "at_most", 3600, 3600, "time")),
    ("储能100千瓦时", ("储能", "equal", 1e5, 1e5, "energy")),
    ("COD≤30mg/L并符合GB3838标准", ("COD", "at_most", 3e-5, 3e-5, "mass/volume")),
    (
        "单套处理能力12t/d（并联4套48t/d）",
        ("单套处理能力", "equal", 12000 / 86400, 12000 / 86400, "mass/time"),
    ),
]


@pytest.mark.parametrize(("clause", "reading"), CLAUSES, ids=[clause for clause, _ in CLAUSES])
def test_clause_is_read_as_an_office_means_it(clause: str, reading: Reading) -> None:
    (found,) = parse_indicators(clause)
    name, operator, low, high, quantity = reading
    assert (found.name, found.operator, found.quantity) == (name, operator, quantity)
    assert [found.low, found.high] == pytest.approx([low, high], rel=1e-9)


@pytest.mark.parametrize(
    "clause", ["", "≥5kg", "不低于95%", "续航时间长", "型号ABC-20", "3", "载荷≥", "100km", "长" * 40 + "5kg"]
)
def test_clause_without_a_name_and_a_figure_is_no_indicator(clause: str) -> None:
    assert parse_indicators(clause) == ()


def test_text_gives_its_indicators_in_order_with_their_clauses() -> None:
    text = (
        "载荷≥20kg；满载往返航程≥100km，抗风能力不低于6级、噪声82dB（10m）。\n外观良好；成本≤8元/kg,寿命5年"
    )
    assert [(found.text, found.name) for found in parse_indicators(text)] == [
        ("载荷≥20kg", "载荷"),
        ("满载往返航程≥100km", "满载往返航程"),
        ("抗风能力不低于6级", "抗风能力"),
        ("噪声82dB(10m)", "噪声"),
        ("成本≤8元/kg", "成本"),
        ("寿命5年", "寿命"),
    ]


def test_both_figures_of_a_clause_are_read_under_their_own_names() -> None:
    found = parse_indicators("满载航程162km且抗风≥7级；年产量≥3万吨，合格率不低于99%")
    assert [(x.name, x.operator, x.text) for x in found] == [
        ("满载航程", "equal", "满载航程162km"),
        ("抗风", "at_least", "抗风≥7级"),
        ("年产量", "at_least", "年产量≥3万吨"),
        ("合格率", "at_least", "合格率不低于99%"),
    ]


def test_at_most_forty_indicators_are_read() -> None:
    found = parse_indicators("；".join(f"指标{'甲' * (i % 5 + 1)}≥{i}kg" for i in range(100)))
    assert [indicator.low for indicator in found] == list(range(40))


@given(text=st.text(alphabet=st.characters(), max_size=300))
def test_any_text_is_read_without_failing(text: str) -> None:
    for found in parse_indicators(text):
        assert math.isfinite(found.low)
        assert found.low <= found.high < math.inf
        assert 0 < len(found.name) <= 30
        assert len(found.text) <= 60


@given(
    text=st.text(
        alphabet="航程抗风级mkgdBIP0123456789.,x×^10±-~至到≥≤<>=：以上下内万元/%℃（）()；，、 \n³⁻",
        max_size=120,
    )
)
def test_any_text_of_the_marks_that_count_is_read_without_failing(text: str) -> None:
    for found in parse_indicators(text):
        assert math.isfinite(found.low)
        assert found.low <= found.high < math.inf


@pytest.mark.parametrize(
    "piece",
    ["汉", " ", "汉 ", "9", "汉9", "大于", "a1.", "a1-", "a", ",111", "1x10", "10^", "1m/", "≥", "(", "a1", "汉:", "汉±1", "万", "1-"],
)  # fmt: skip
def test_fifty_thousand_characters_of_anything_are_read(piece: str) -> None:
    """As long as a cell may be; were time to grow with the square of it, this would take hours."""
    for head in ("", "汉", "汉1"):
        text = head + piece * (50_000 // len(piece))
        assert len(parse_indicators(text)) <= 40


@pytest.mark.parametrize("figure", ["1x10999", "9" * 400, "1×10^" + "9" * 5000, "10^" + "9" * 5000])
def test_figure_beyond_all_bounds_is_not_infinite(figure: str) -> None:
    assert all(math.isfinite(found.high) for found in parse_indicators(f"产量≥{figure}kg"))


VERDICTS: list[tuple[str, str, Verdict]] = [
    ("续航≥45min", "单架次续航52min", "met"),
    ("续航≥45min", "续航0.75h", "met"),
    ("续航≥45min", "续航44min", "short"),
    ("航程≥100km", "航程162000米", "met"),
    ("航程≥100km", "航程80~120km", "met"),
    ("航程≥100km", "航程≥90km", "short"),
    ("航程≥100km", "航程≤90km", "short"),
    ("航程≥100km", "航程≤120km", "silent"),
    ("成本≤8元/kg", "运输成本0.006元/g", "met"),
    ("成本≤8元/kg", "运输成本9元/kg", "short"),
    ("成本≤8元/kg", "运输成本≥9元/kg", "short"),
    ("成本≤8元/kg", "运输成本≥6元/kg", "silent"),
    ("成本≤8元/kg", "运输成本8元/km", "silent"),
    ("盐度≤30‰", "盐度2.9%", "met"),
    ("价格≤50万元", "价格500000元", "met"),
    ("处理能力≥500m³/d", "处理能力21m³/h", "met"),
    ("处理能力≥500m³/d", "处理能力20m³/h", "short"),
    ("疲劳寿命≥100万次", "疲劳寿命1,200,000次", "met"),
    ("误差≤3mm", "误差±2mm", "met"),
    ("误差≤3mm", "误差±0.5cm", "short"),
    ("工作温度-20~60℃", "工作温度-40~85℃", "met"),
    ("工作温度-20~60℃", "工作温度-10~85℃", "short"),
    ("储存温度≤-20℃", "储存温度-30℃", "met"),
    ("储存温度≤-20℃", "储存温度20℃", "short"),
    ("熔指4~8g", "熔指5.6g", "met"),
    ("熔指4~8g", "熔指9g", "short"),
    ("机库防护等级不低于IP55", "防护等级IP56", "met"),
    ("机库防护等级不低于IP55", "防护等级IP54", "short"),
    ("噪声≤50dB", "噪声46分贝", "met"),
    ("分辨率优于5cm", "分辨率4.2cm", "met"),
    ("分辨率优于5cm", "分辨率6cm", "short"),
    ("直径≥5cm破洞检出率≥95%", "直径5cm以上破洞当场标出坐标", "silent"),
    ("直径≥5cm破洞检出率≥95%", "破洞（≥5cm）检出率91%", "short"),
    ("直径≥5cm破洞检出率≥95%", "破洞（≥3cm）检出率96%", "silent"),
    ("日前光伏功率预测准确率≥90%", "10min预测准确率93.1%", "silent"),
    ("漏点定位误差≤1.0m", "误差±1cm", "silent"),
    ("异响检出率≥98%", "检出率98.7%", "silent"),
    ("误报≤2%", "误报率0.8%", "met"),
    ("清洗效率≥250m²/h", "清扫效率480m²/h", "silent"),
    ("空鼓检出面积≥25cm²", "空鼓检出面积≥16cm²", "silent"),
    ("单台基础检查时间≤3h", "单台用时50min", "silent"),
    ("出肉率≥52%", "出肉率损失6%", "silent"),
    ("清洗效率≥250m²/h", "清洗速度310m²/h", "met"),
    ("单塔精细巡视时间≤25min", "单塔飞巡用时19min", "met"),
    ("链路中断后自主返航成功率≥99.9%", "链路丢失自动返航成功率99.95%", "met"),
    ("放大规模≥300kg/批", "中试批量500kg", "met"),
    ("支持并发坐席60路", "单机并发72路", "met"),
    ("支持并发坐席60路", "单机并发50路", "short"),
    ("空转答复识别召回率不低于85%", "敷衍答复检出召回88%", "met"),
    ("分辨率优于5cm", "分辨率50mm", "met"),
    ("背景噪声80dB(A)", "背景噪声≤80dB(A)", "met"),
    ("续航≥45min", "航程52km", "silent"),
    ("粒径D50≤10μm", "粒径D50 30μm", "silent"),
    ("续航≥45min", "重量45min", "silent"),
    ("续航≥45min", "飞行时间52min", "met"),
    ("单架次有效载荷≥20kg", "最大商载25kg", "met"),
    ("综合运输成本≤8元/kg", "折算运费9元/kg", "short"),
    ("满载航程≥100km", "空载航程120km", "silent"),
    ("铜回收率≥99%", "锂提取率99.5%", "silent"),
    ("铜回收率≥99%", "铜提取率99.5%", "met"),
    ("藻种识别准确率≥85%", "平均正确率95%", "silent"),
]


@pytest.mark.parametrize(("demand", "offer", "verdict"), VERDICTS)
def test_offer_answers_a_demand(demand: str, offer: str, verdict: Verdict) -> None:
    (answer,) = answers(parse_indicators(demand), parse_indicators(offer))
    assert answer.verdict == verdict


def _one(text: str) -> Indicator:
    (found,) = parse_indicators(text)
    return found


def test_answers_take_the_closest_name_and_of_equal_names_the_first() -> None:
    demand = (_one("总氮去除率≥90%"), _one("载荷≥20kg"), _one("续航≥1h"))
    offer = (_one("总磷去除率80%"), _one("总氮去除率95%"), _one("最大载荷25kg"), _one("载荷5kg"))
    assert answers(demand, offer) == (
        Answer(demand=demand[0], offer=offer[1], verdict="met"),
        Answer(demand=demand[1], offer=offer[2], verdict="met"),
        Answer(demand=demand[2], offer=None, verdict="silent"),
    )


def test_sentence_says_demand_offer_and_verdict() -> None:
    said = [
        answers((_one(demand),), (_one(offer),))[0].sentence
        for demand, offer in [
            ("续航≥45min", "续航52min"), ("续航≥45min", "续航40min"), ("穿戴件重量≤350g", "手套重290g"), ("续航45min", "续航52min"), ("续航≥45min", "重量5kg")
        ]
    ]  # fmt: skip
    assert said == [
        "续航≥45min：成果为“续航52min”，满足",
        "续航≥45min：成果为“续航40min”，未达到",
        "穿戴件重量≤350g：成果为“手套重290g”，请人工核对",
        "续航45min：成果为“续航52min”，请人工核对",
        "续航≥45min：成果未说明",
    ]


FIGURES = st.floats(min_value=0.001, max_value=1e6).map(lambda x: float(f"{x:.4g}"))


@given(wanted=FIGURES, given_=FIGURES)
def test_bounds_compare_as_numbers_do(wanted: float, given_: float) -> None:
    at_least, at_most = _one(f"航程≥{wanted:f}km"), _one(f"航程≤{wanted:f}km")
    offer = _one(f"航程{given_ * 1000:f}m")
    verdicts = [answer.verdict for answer in answers((at_least, at_most), (offer,))]
    assert verdicts == ["met" if given_ >= wanted else "short", "met" if given_ <= wanted else "short"]


@given(low=FIGURES, high=FIGURES, given_=FIGURES, more=FIGURES)
def test_more_of_what_is_wanted_never_turns_met_into_short(
    low: float, high: float, given_: float, more: float
) -> None:
    demand = (_one(f"航程≥{low:f}km"),)
    before = answers(demand, (_one(f"航程{given_:f}km"),))[0].verdict
    after = answers(demand, (_one(f"航程{given_ + more:f}km"),))[0].verdict
    assert (before, after) != ("met", "short")
    wider = answers(
        (_one(f"航程{min(low, high):f}~{max(low, high):f}km"),), (_one(f"航程0~{max(low, high) + more:f}km"),)
    )
    assert wider[0].verdict == "met"
