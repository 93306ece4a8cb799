import json
from pathlib import Path

import pytest

from graph import resources
from graph.problems import Refused
from graph.resources import resource


def test_resource_in_a_checkout_is_the_file_under_data() -> None:
    path = resource("codes", "fields.json")
    assert path.parts[-3:] == ("data", "codes", "fields.json")
    assert "fields" in json.loads(path.read_text(encoding="utf-8"))


def test_resource_answers_folders_too() -> None:
    assert resource("codes").is_dir()


def test_resource_in_a_wheel_prefers_our_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("data", "jiebang_data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.json").write_text(folder, encoding="utf-8")
    monkeypatch.setattr(resources, "_BESIDE_PACKAGES", tmp_path)
    assert resource("x.json").read_text(encoding="utf-8") == "jiebang_data"


def test_resource_that_is_absent_is_refused_with_its_name() -> None:
    with pytest.raises(Refused) as caught:
        resource("codes", "nothing.json")
    assert caught.value.code == "resource_missing"
    assert "codes/nothing.json" in caught.value.message
