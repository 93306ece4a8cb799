import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import matcher.home
from api.cli.app import run
from graph.resources import resource
from graph.store.store import open_store

Command = Callable[..., Any]

ELSEWHERE = "请用 --home 或环境变量 JIEBANG_HOME 指定一个可写的目录。"


def alter(home: Path, statement: str) -> None:
    """Changes the store file behind the program's back."""
    with closing(sqlite3.connect(home / "store.db", isolation_level=None)) as connection:
        connection.execute(statement)


def test_init_makes_an_empty_home_and_does_no_harm_to_one_in_use(jiebang: Command, home: Path) -> None:
    outcome = jiebang("init")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"数据目录：{home}\n现有：尚无数据，可用 jiebang import 文件 导入\n"
    assert (home / "store.db").is_file()


def test_init_demo_puts_in_the_sample_world_once(jiebang: Command, home: Path) -> None:
    first, second = jiebang("init", "--demo"), jiebang("init", "--demo")
    with open_store(home / "store.db", create=False) as store:
        counts, revision = store.counts(), store.revision()
    number = sum(counts.values())
    assert revision == 1
    assert min(counts[kind] for kind in ("scene", "achievement", "enterprise", "edge")) > 50
    assert (
        f"样例数据（人物与单位均为虚构）：新增 {number} 条，已有 0 条。\n现有：应用场景 {counts['scene']}，"
        in first.out
    )
    assert f"样例数据（人物与单位均为虚构）：新增 0 条，已有 {number} 条。\n" in second.out


def test_demo_ends_with_a_ranked_list_and_what_to_try_next(
    jiebang: Command, indexed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample = tmp_path / "sample.xlsx"
    assert jiebang("export", sample).code == 0
    monkeypatch.setattr(
        "graph.resources.resource", lambda *parts: sample if parts[0] == "sample" else resource(*parts)
    )
    outcome = jiebang("demo")
    assert (outcome.code, outcome.err) == (0, "")
    assert "为应用场景“海岛无人机送药”（CJ-1）找到 4 个：" in outcome.out
    assert "\n1. 抗七级风垂直起降固定翼无人机（CG-1） " in outcome.out
    assert f"  jiebang --home {indexed} match --all --out 全部匹配.xlsx" in outcome.out


@pytest.mark.parametrize(
    "command",
    [
        ["match", "CJ-1"],
        ["show", "CJ-1"],
        ["export", "a.xlsx"],
        ["doctor"],
        ["index"],
        ["index", "rebuild"],
        ["evaluate", "x.csv"],
    ],
)
def test_a_home_that_is_not_there_is_refused_with_what_to_do(
    jiebang: Command,
    home: Path,
    written: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    written("scene_id,achievement_id,level\nCJ-1,CG-1,1\n", "x.csv")
    outcome = jiebang(*command)
    assert (outcome.code, outcome.out) == (1, "")
    assert (
        outcome.err
        == f"错误：数据目录“{home}”还不存在。\n处理：请先运行 jiebang init（或 jiebang init --demo 试用样例）。\n"
    )
    assert not home.exists()
    assert not (tmp_path / "a.xlsx").exists()


@pytest.mark.parametrize("command", [["init"], ["import", "表.csv"]])
@pytest.mark.parametrize("below", [False, True])
def test_a_home_that_is_a_file_or_below_one_is_refused(
    capsys: pytest.CaptureFixture[str], written: Callable[..., Path], command: list[str], below: bool
) -> None:
    file = written("编号,名称\nCJ-1,送药\n", "表.csv")
    place = file / "数据" if below else file
    arguments = [str(file) if word == "表.csv" else word for word in command]
    assert run(["--home", str(place), *arguments]) == 1
    assert (
        capsys.readouterr().err
        == f"错误：“{place}”不能作数据目录：这里或上一级已有同名文件。\n处理：{ELSEWHERE}\n"
    )


def test_a_home_that_is_a_file_is_refused_for_reading(
    capsys: pytest.CaptureFixture[str], written: Callable[..., Path]
) -> None:
    file = written("x")
    assert run(["--home", str(file), "match", "CJ-1"]) == 1
    assert capsys.readouterr().err == f"错误：“{file}”是文件，不是数据目录。\n处理：{ELSEWHERE}\n"


def test_a_home_that_cannot_be_written_is_refused(
    jiebang: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    # Whoever runs the tests may be allowed everything; the answer of the system is what counts here.
    monkeypatch.setattr(matcher.home, "os", SimpleNamespace(W_OK=os.W_OK, access=lambda path, mode: False))
    outcome = jiebang("init")
    assert (outcome.code, outcome.err) == (1, f"错误：数据目录“{home}”不可写。\n处理：{ELSEWHERE}\n")


def test_home_comes_from_the_environment_unless_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIEBANG_HOME", str(tmp_path / "甲"))
    assert run(["init"]) == 0
    assert run(["--home", str(tmp_path / "乙"), "init"]) == 0
    assert capsys.readouterr().out.splitlines()[::2] == [
        f"数据目录：{tmp_path / '甲'}",
        f"数据目录：{tmp_path / '乙'}",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["乙", "甲"]


def test_home_begins_in_the_users_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["init"]) == 0
    assert capsys.readouterr().out.startswith(f"数据目录：{tmp_path / '.jiebang'}\n")


def test_a_store_of_a_newer_version_is_left_alone(jiebang: Command, world: Path) -> None:
    alter(world, "UPDATE alembic_version SET version_num = '9999'")
    before = (world / "store.db").read_bytes()
    for command in (["match", "CJ-1"], ["init"], ["doctor"]):
        outcome = jiebang(*command)
        assert outcome.code == 1
        assert "错误：数据库由更新的版本建立（结构版本 9999，" in outcome.err
        assert outcome.err.endswith("处理：请升级揭榜后再打开；本次没有改动任何内容。\n")
    assert (world / "store.db").read_bytes() == before


def test_a_store_that_another_program_is_writing_is_refused_after_waiting(
    jiebang: Command, world: Path, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matcher.home, "open_store", partial(open_store, lock_timeout=0.1))
    file = written("编号,名称\nCJ-9,新的\n", "场景.csv")
    with closing(sqlite3.connect(world / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = jiebang("import", file, "--kind", "场景")
        assert (outcome.code, outcome.err) == (
            1,
            f"错误：数据库正被另一个程序写入：{world / 'store.db'}。\n处理：请稍候再试；若一直如此，请查看是否有另一个程序正在导入。\n",
        )
        # Readers never wait.
        assert jiebang("show", "CJ-1").code == 0
        other.execute("ROLLBACK")
    assert jiebang("import", file, "--kind", "场景").code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not a database" * 100, "这个文件不是数据库"), (b"", "找不到数据库")],
)
def test_a_store_file_that_is_none_is_refused(
    jiebang: Command, home: Path, content: bytes, message: str
) -> None:
    home.mkdir()
    (home / "store.db").write_bytes(content)
    outcome = jiebang("match", "CJ-1")
    assert (outcome.code, message in outcome.err) == (1, True)
    assert (home / "store.db").read_bytes() == content


@pytest.mark.parametrize("address", ["mysql://a:geheim@b/c", "postgresql://用户:geheim@127.0.0.1:1/库"])
def test_a_store_address_that_does_not_serve_is_refused_without_its_password(
    jiebang: Command, home: Path, address: str
) -> None:
    home.mkdir()
    outcome = jiebang("--store", address, "doctor")
    assert (outcome.code, outcome.err.startswith("错误："), "\n处理：" in outcome.err) == (1, True, True)
    assert "geheim" not in outcome.out + outcome.err


def test_an_unknown_encoder_is_refused_with_the_known_ones(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("--encoder", "bert", "match", "CJ-1")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("错误：没有名为“bert”的编码器。\n处理：请在以下写法中选择一种：embedded、")


def test_an_index_of_another_encoder_is_refused_with_how_to_rebuild(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("--encoder", "embedded", "match", "CJ-1")
    assert (outcome.code, outcome.out) == (1, "")
    assert "编码器应为" in outcome.err
    assert "jiebang index rebuild" in outcome.err


def test_index_status_before_and_after(jiebang: Command, world: Path) -> None:
    assert jiebang("index").out == "还没有索引；第一次匹配时会自动建立。\n"
    assert jiebang("index", "rebuild").out == "索引已重建：11 条，数据版本 1。\n"
    lines = "第 1 代，编码器 bigrams/1，建于第 1 次改动（现为第 1 次），新的改动每次匹配前自动补上\n条数：应用场景 3，科技成果 4，企业 2，技术经纪人 2\n"
    assert jiebang("index", "status").out == lines


def test_index_rebuild_of_an_empty_store(jiebang: Command) -> None:
    assert jiebang("init").code == 0
    assert jiebang("index", "rebuild").out == "索引已重建：0 条，数据版本 0。\n"
    assert jiebang("doctor").code == 0


def test_doctor_of_a_sound_home(jiebang: Command, world: Path) -> None:
    outcome = jiebang("doctor")
    lines = outcome.out.splitlines()
    assert (outcome.code, outcome.err) == (0, "")
    assert lines[0] == "数据：应用场景 3，科技成果 4，企业 2，技术经纪人 2，关系 6；版本 1，历史链完好。"
    assert lines[1].endswith(
        "，命令行，导入 场景.csv、成果.csv、企业.csv、经纪人.csv、关系.csv，共 17 条，已全部写入；没有写了一半的数据。"
    )
    assert lines[2:] == [
        "索引：尚未建立，第一次匹配时自动建立。",
        "排序模型：随程序附带的模型，可用。",
        "检查完成，没有发现问题。",
    ]


def test_doctor_says_how_far_the_index_is_behind(
    jiebang: Command, indexed: Path, written: Callable[..., Path]
) -> None:
    assert "索引：完好，与数据一致。\n" in jiebang("doctor").out
    assert jiebang("import", written("编号,名称\nCJ-9,新的\n"), "--kind", "场景").code == 0
    outcome = jiebang("doctor")
    assert (outcome.code, "索引：完好，有 1 条记录较新，每次匹配前自动补上。\n" in outcome.out) == (0, True)


def test_indexes_in_use_for_others_are_told_and_looked_at_too(jiebang: Command, indexed: Path) -> None:
    assert jiebang("match", "CJ-1", "--audience", "partner", "--no-record").code == 0
    status = jiebang("index", "status").out.splitlines()
    assert status[:2] == [
        "第 1 代，编码器 bigrams/1，建于第 1 次改动（现为第 1 次），新的改动每次匹配前自动补上",
        "条数：应用场景 3，科技成果 4，企业 2，技术经纪人 2",
    ]
    assert status[2].startswith("给合作方看的第 1 代，编码器 bigrams/1，建于第 1 次改动")
    assert status[3:] == ["给合作方看的条数：应用场景 2，科技成果 3，企业 2，技术经纪人 1"]
    assert "索引：完好，与数据一致。\n给合作方看的索引：完好，与数据一致。\n" in jiebang("doctor").out
    for path in (indexed / "index-partner").rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:-1])
    doctor = jiebang("doctor")
    assert (doctor.code, "\n索引：完好" in doctor.out, "给合作方看的索引：" in doctor.err) == (1, True, True)
    assert jiebang("index", "rebuild").code == 0
    assert jiebang("doctor").code == 0


def test_doctor_of_an_empty_home(jiebang: Command) -> None:
    assert jiebang("init").code == 0
    outcome = jiebang("doctor")
    assert outcome.code == 0
    assert outcome.out.splitlines()[:2] == ["数据：空；版本 0，历史链完好。", "还没有写入过数据。"]


@pytest.mark.parametrize(
    "tampering",
    [
        """UPDATE nodes SET attributes = replace(attributes, '送药', '送货') WHERE id = 'CJ-1'""",
        """UPDATE history SET actor = '别人' WHERE seq = 3""",
        """DELETE FROM history WHERE seq = 2""",
        """DELETE FROM edges WHERE source_id = 'QY-2'""",
    ],
)
def test_doctor_finds_what_was_changed_behind_the_programs_back(
    jiebang: Command, indexed: Path, tampering: str
) -> None:
    alter(indexed, tampering)
    outcome = jiebang("doctor")
    assert outcome.code == 1
    found = outcome.err.count("错误：历史记录：")
    assert found >= 1
    assert found == outcome.err.count("处理：")
    assert "，历史链有问题。\n" in outcome.out
    assert f"检查完成，发现 {found} 个问题。\n" in outcome.out


def test_doctor_finds_every_damaged_file_of_the_index_and_a_rebuild_mends_it(
    jiebang: Command, indexed: Path, tmp_path: Path
) -> None:
    (generation,) = (indexed / "index" / "generations").iterdir()
    files = sorted(path.relative_to(indexed) for path in generation.rglob("*") if path.is_file())
    assert len(files) > 5
    shutil.copytree(indexed, tmp_path / "sound")
    for name in files:
        path = indexed / name
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 0x20]) + content[middle + 1 :])
        outcome = jiebang("doctor")
        assert (outcome.code, outcome.err.startswith("错误：索引："), "rebuild" in outcome.err) == (
            1,
            True,
            True,
        ), name
        path.write_bytes(content)
    assert jiebang("doctor").code == 0
    path.unlink()
    assert jiebang("doctor").code == 1
    assert jiebang("match", "CJ-1").code == 1
    assert jiebang("index", "rebuild").code == 0
    assert jiebang("doctor").code == 0


def test_a_damaged_vector_cache_is_made_anew(jiebang: Command, indexed: Path) -> None:
    (indexed / "vectors.db").write_bytes(b"not a database" * 100)
    assert jiebang("match", "--text", "送药").code == 0
    assert jiebang("index", "rebuild").code == 0


def test_a_failure_nobody_foresaw_is_raised_and_not_hidden(
    jiebang: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("matcher.home.Home.open_store", broken)
    with pytest.raises(ZeroDivisionError):
        jiebang("init")


def test_a_failure_of_the_system_names_the_file_in_chinese(
    jiebang: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(home))

    monkeypatch.setattr("matcher.home.Home.open_store", full)
    outcome = jiebang("init")
    assert (outcome.code, outcome.err) == (
        1, f"错误：读写文件“{home}”时出错：磁盘已满。\n处理：请检查路径、权限和磁盘空间后重试。\n",
    )  # fmt: skip


def test_an_interrupt_says_that_nothing_is_half_written(
    jiebang: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("matcher.home.Home.open_store", interrupted)
    outcome = jiebang("init")
    assert (outcome.code, outcome.err) == (
        130,
        "错误：已中断。\n处理：已写入的内容完整保留，可以重新运行本命令。\n",
    )
