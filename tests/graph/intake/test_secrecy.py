import pytest

from graph.intake.secrecy import is_marked_secret, is_secret_level, secret_table


@pytest.mark.parametrize("text", ["公开", "无", "非密", " 非涉密 ", "", "否", "不涉密", "／"])
def test_is_secret_level_lets_open_words_pass(text: str) -> None:
    assert not is_secret_level(text)


@pytest.mark.parametrize(
    "text", ["秘密", "机密", "绝密", "内部", "是", "商密", "工作秘密", "密", "机密★10年", "?"]
)
def test_is_secret_level_stops_everything_not_known_to_be_open(text: str) -> None:
    assert is_secret_level(text)


@pytest.mark.parametrize(
    "text",
    [
        "【机密】某项目",
        "某项目（秘密）",
        "机密★10年",
        "秘密 某项目",
        "绝密级工程",
        "某国家秘密项目",
        "密级：秘密",
        "某项目[秘密 5年]",
        "机密",
    ],
)
def test_is_marked_secret_finds_marks(text: str) -> None:
    assert is_marked_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "基于机密计算的数据流通平台",
        "商业秘密保护系统",
        "保密通信用量子密钥分发",
        "量子秘密共享方法",
        "公开",
        "档案密级管理软件",
    ],
)
def test_is_marked_secret_leaves_subjects_alone(text: str) -> None:
    assert not is_marked_secret(text)


def test_secret_table_names_no_content() -> None:
    problem = secret_table("表一", ["机密★5年", "某型装备清单"])
    assert problem is not None
    assert (problem.code, problem.sheet) == ("secret_refused", "表一")
    assert "装备" not in problem.message
    assert secret_table("表一", ["应用场景清单"]) is None
