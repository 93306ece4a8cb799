"""Names of indicators: the table of synonyms, and what holds for any two names."""

from hypothesis import given
from hypothesis import strategies as st

from matcher.indicator_names import NEAR_NAME, SAME_NAME, name_closeness, name_nearness
from matcher.texts import word_list

GROUPS = [line.split() for line in word_list("indicator_synonyms.txt") if line[0] not in "~≠=$-"]
EQUALS = [line.split()[1:] for line in word_list("indicator_synonyms.txt") if line[0] == "="]
NAMES = st.text(alphabet="铜锂总氮磷去除回收率满载空航程续抗风最大", min_size=1, max_size=8)


def test_every_word_of_a_group_means_its_first_and_stands_in_no_other() -> None:
    words = [word for group in GROUPS for word in group if word != "*"]
    assert sorted(set(words)) == sorted(words)
    for group in GROUPS:
        first, *others = [word for word in group if word != "*"]
        assert [word for word in others if name_closeness(first, word) < SAME_NAME] == []


def test_every_word_of_a_line_of_equals_is_read_as_its_first() -> None:
    words = [word for group in EQUALS for word in group]
    assert sorted(set(words)) == sorted(words)
    for first, *others in EQUALS:
        assert [word for word in others if name_closeness(f"甲{first}乙", f"甲{word}乙") != 1] == []


def test_near_names_are_left_to_a_person_and_far_ones_are_not_named() -> None:
    for a, b in [
        ("异响检出率", "检出率"),
        ("优势藻种识别准确率", "平均准确率"),
        ("目标型号及序列号识别率", "序列号解析率"),
    ]:
        assert name_closeness(a, b) < SAME_NAME, (a, b)
        assert NEAR_NAME <= name_nearness(a, b) < SAME_NAME, (a, b)
    for a, b in [
        ("出肉率", "检出率"),
        ("出肉率", "出肉率损失"),
        ("铜回收率", "锂提取率"),
        ("满载航程", "空载航程"),
    ]:
        assert (name_closeness(a, b) >= SAME_NAME, name_nearness(a, b)) == (False, 0), (a, b)


def test_a_name_that_says_nothing_by_itself_answers_only_itself() -> None:
    assert name_closeness("漏点定位误差", "误差") == 0
    assert name_closeness("误差", "误差") == 1
    assert name_closeness("成本", "运输成本") == 1  # the demand asks for any


@given(a=NAMES, b=NAMES)
def test_closeness_is_symmetric_within_bounds_and_greatest_for_the_same_name(a: str, b: str) -> None:
    assert name_closeness(a, b) == name_closeness(b, a)
    assert 0 <= name_closeness(a, b) <= 1
    assert name_closeness(a, a) == 1 or len(a) < 2 or name_closeness(a, a) == 0


def test_what_is_done_to_another_thing_is_another_figure() -> None:
    for a, b in [
        ("铜回收率", "锂回收率"),
        ("附着物去除率", "悬浮物去除率"),
        ("满载航程", "空载航程"),
        ("过检率", "漏检率"),
        ("定位误差", "测量误差"),
    ]:
        assert name_closeness(a, b) < SAME_NAME, (a, b)
    for a, b in [("水平定位误差", "平面定位误差"), ("抗风能力", "抗风"), ("满载往返航程", "满载航程")]:
        assert name_closeness(a, b) >= SAME_NAME, (a, b)
