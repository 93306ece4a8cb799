"""Where a city's data lies, and what is said when it cannot lie there."""

import os
from pathlib import Path

import pytest

from graph.problems import Refused
from matcher.home import Home
from tests.factories import make_scene, put


def test_home_is_made_with_its_store_and_opened_again(tmp_path: Path) -> None:
    home = Home(path=tmp_path / "甲" / "乙")
    with home.open_store(create=True) as store:
        put(store, make_scene())
    assert sorted(path.name for path in home.path.iterdir() if path.suffix in ("", ".db")) == [
        "index",
        "store.db",
    ]
    with home.open_store(create=False) as store:
        assert store.get("scene", "CJ-1") == make_scene()
    with home.open_store(create=True) as store:
        assert store.revision() == 1


def test_home_says_where_index_vectors_and_models_lie(tmp_path: Path) -> None:
    home = Home(path=tmp_path)
    assert (home.index, home.vectors) == (tmp_path / "index", tmp_path / "vectors.db")
    assert home.models == tmp_path / "models"


def test_store_by_address_goes_before_the_file(tmp_path: Path) -> None:
    home = Home(path=tmp_path / "home", store_url=str(tmp_path / "elsewhere.db"))
    home.open_store(create=True).close()
    assert (tmp_path / "elsewhere.db").exists()
    assert not (home.path / "store.db").exists()


def test_missing_home_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="还不存在") as refused:
        Home(path=tmp_path / "没有").open_store(create=False)
    assert refused.value.code == "home_missing"
    assert "jiebang init" in refused.value.remedy
    assert not (tmp_path / "没有").exists()


def test_home_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        Home(path=tmp_path).open_store(create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("below", ["", "子目录"])
def test_file_in_the_place_of_a_home_is_refused(tmp_path: Path, create: bool, below: str) -> None:
    (tmp_path / "文件").write_text("别人的", encoding="utf-8")
    with pytest.raises(Refused) as refused:
        Home(path=tmp_path / "文件" / below).open_store(create=create)
    assert refused.value.code == ("home_unwritable" if create or not below else "home_missing")
    assert (tmp_path / "文件").read_text(encoding="utf-8") == "别人的"


def test_home_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(Refused, match="不可写") as refused:
        Home(path=tmp_path / "home").open_store(create=True)
    assert refused.value.code == "home_unwritable"
    assert "JIEBANG_HOME" in refused.value.remedy


def test_home_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(Refused, match="Permission denied") as refused:
        Home(path=tmp_path / "home").open_store(create=True)
    assert refused.value.code == "home_unwritable"
