import pytest

from graph.intake.organisations import Clash, Mention, clashes, organisation_key

CODE, OTHER_CODE = "91350100M000100Y43", "91110108551385082Q"


def mention(id: str, name: str, uscc: str | None = None, *, new: bool = True, itself: bool = True) -> Mention:
    return Mention(name=name, uscc=uscc, kind="enterprise", id=id, is_new=new, is_itself=itself)


def told(mentions: list[Mention]) -> list[tuple[str, str, str]]:
    return [(c.reason, c.new.id, c.other.id) for c in clashes(mentions)]


@pytest.mark.parametrize(
    "name",
    [
        "珠海澜川智能装备有限公司",
        "珠海澜川智能装备有限责任公司",
        "澜川智能装备（珠海）有限公司",
        "珠海市 澜川智能装备 股份有限公司",
        "澜川智能装备集团有限公司",
        "广东珠海澜川智能装备公司",
        "珠海澜川智能装备（有限公司）",
    ],
)
def test_organisation_key_is_one_for_the_spellings_of_a_firm(name: str) -> None:
    assert organisation_key(name) == "澜川智能装备"


def test_organisation_key_keeps_branches_elsewhere_and_short_names_apart() -> None:
    assert organisation_key("澜川智能装备（深圳）有限公司") != organisation_key("澜川智能装备有限公司")
    assert organisation_key("珠海公司") == "珠海公司"
    assert organisation_key("ＡＢＣ公司") == organisation_key("abc公司")


def test_clashes_tell_spellings_codes_and_twins() -> None:
    assert told([mention("1", "澜川装备有限公司"), mention("2", "澜川装备有限责任公司", itself=False)]) == [
        ("organisation_spelling", "2", "1")
    ]
    assert told([mention("1", "甲甲", CODE, itself=False), mention("2", "乙乙", CODE, itself=False)]) == [
        ("organisation_renamed", "2", "1")
    ]
    assert told(
        [mention("1", "甲甲", CODE, itself=False), mention("2", "甲甲", OTHER_CODE, itself=False)]
    ) == [("organisation_codes", "2", "1")]
    assert told([mention("1", "甲甲公司"), mention("2", "甲甲公司")]) == [("organisation_twice", "2", "1")]


def test_clashes_are_none_for_the_same_owner_of_many_records() -> None:
    assert told([mention(str(n), "甲甲公司", CODE, itself=False) for n in range(50)]) == []


def test_clashes_are_told_of_new_mentions_only_and_once_per_variant() -> None:
    known = [
        mention("1", "澜川公司", new=False, itself=False),
        mention("2", "澜川有限公司", new=False, itself=False),
    ]
    assert told(known) == []
    new = [mention(str(n), "澜川股份公司", itself=False) for n in range(3, 9)]
    assert told([*new, *known]) == [("organisation_spelling", "3", "1")]
    assert list(clashes([*known, new[0]])) == [
        Clash(reason="organisation_spelling", new=new[0], other=known[0])
    ]
