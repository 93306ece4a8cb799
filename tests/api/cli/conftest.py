"""A small world and an encoder of milliseconds; commands run in this process, their output caught."""

import csv
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import embeddings.encoder
from api.cli.app import run
from embeddings.unit_rows import unit_rows
from matcher.models import Models
from tests.factories import NOON, make_learned

SCENES = """编号,名称,产业领域,所在区,建设单位,场景简介,技术难点,技术指标,成熟度要求,预算（万元）,截止日期,状态,可见范围,联系人,联系方式
CJ-1,海岛无人机送药,低空经济,万山区,澜川海岛发展有限公司,向外岛卫生院送急救药品和血样,海上阵风大，现有机型抗风不足,抗风等级≥7级；航程≥30km,TRL6,200,2099-12-31,在推,公开,陈工,0756-5551001
CJ-2,院内药品配送机器人,大健康,香洲区,凤屿人民医院,从药房向病区送药，自己乘电梯,电梯高峰等候时间长,载重≥100kg,TRL8,90,2020-01-31,在推,内部,后勤处,0756-5551002
CJ-3,网箱鱼苗计数,海洋经济,万山区,,放苗时人工点数太慢,,计数准确率≥95%,,,,储备,公开,,
"""
ACHIEVEMENTS = """编号,名称,产业领域,所在区,完成单位,完成人,成果简介,技术指标,成熟度,知识产权状态,意向价格（万元）,可见范围
CG-1,抗七级风垂直起降固定翼无人机,低空经济,高新区,云岬航空科技有限公司,程屿舟,复合翼无人机，向海岛投送药品,抗风等级7级；航程45km,TRL8,已授权,260,公开
CG-2,病区送药机器人,大健康,香洲区,粤海湾理工大学,舒曼,自主乘梯，向病区配送药品,载重120kg,TRL7,实质审查中,80,公开
CG-3,鱼苗视觉计数仪,海洋经济,市外,粤海湾理工大学,,吸鱼泵出口逐尾计数,计数准确率97%,中试,未申请,,合作方
CG-4,海岛微电网能量管理,绿色新能源,万山区,,,光储柴协同调度,,TRL5,已授权,,内部
"""
ENTERPRISES = """编号,名称,产业领域,所在区,主营产品,核心能力,可见范围
QY-1,云岬航空科技有限公司,低空经济,高新区,垂直起降固定翼货运无人机,海岛投送航线运营,公开
QY-2,澜川海岛发展有限公司,海洋经济,万山区,海岛旅游与补给,,公开
"""
BROKERS = """编号,姓名,等级,所在机构,专业领域,擅长场景,累计成交,在办项目,承载上限,可见范围
JJ-1,温礼舟,高级技术经理人,渡成技术转移有限公司,低空经济,海岛物流,30,2,10,公开
JJ-2,邱予安,中级技术经纪人,桂屿研究院,海洋经济,海洋牧场,8,8,8,内部
"""
RELATIONS = """起点类型,起点编号,关系,终点类型,终点编号,说明
企业,QY-2,发布,场景,CJ-1,首批
企业,QY-1,拥有,成果,CG-1,
经纪人,JJ-1,服务,场景,CJ-1,内部商定
经纪人,JJ-2,服务,成果,CG-3,
经纪人,JJ-2,服务,成果,CG-4,
经纪人,JJ-2,服务,场景,CJ-3,
"""
WORLD = {
    "场景.csv": SCENES, "成果.csv": ACHIEVEMENTS, "企业.csv": ENTERPRISES, "经纪人.csv": BROKERS, "关系.csv": RELATIONS,
}  # fmt: skip


class BigramEncoder:
    """Sums a fixed random direction per pair of neighbouring characters: like texts get like vectors."""

    identity = "bigrams/1"
    dimension = 32

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit_rows(texts, self.dimension, 500, self._encode)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit_rows(texts, self.dimension, 500, self._encode)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        rows = np.stack([sum(self._directions(text), np.zeros(self.dimension)) for text in texts])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def _directions(self, text: str) -> Iterator[NDArray[np.float64]]:
        for start in range(len(text)):
            pair = text[start : start + 2]
            seed = int.from_bytes(hashlib.blake2b(pair.encode(), digest_size=8).digest())
            yield np.random.default_rng(seed).standard_normal(self.dimension)


@pytest.fixture(autouse=True)
def bigram_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--encoder bigrams`` is known beside the real ones, and is what commands of these tests use."""
    monkeypatch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
    monkeypatch.setenv("JIEBANG_ENCODER", "bigrams")
    for name in ("JIEBANG_HOME", "JIEBANG_STORE", "JIEBANG_USER"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder that is not there yet."""
    return tmp_path / "数据"


@pytest.fixture
def jiebang(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on ``home``."""

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run(["--home", str(home), *map(str, arguments)])
        streams = capsys.readouterr()
        return Outcome(code=code, out=streams.out, err=streams.err)

    return call


@pytest.fixture(scope="session")
def world_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The world as csv files."""
    folder = tmp_path_factory.mktemp("world")
    for name, text in WORLD.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in WORLD]


@pytest.fixture
def world(home: Path, jiebang: Command, world_files: list[Path]) -> Path:
    """``home`` with the world in it; no index yet."""
    assert jiebang("import", *world_files).code == 0
    return home


@pytest.fixture(scope="session")
def _indexed(tmp_path_factory: pytest.TempPathFactory, world_files: list[Path]) -> Path:
    place = tmp_path_factory.mktemp("indexed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        before = ["--home", str(place), "--encoder", "bigrams"]
        assert run([*before, "import", *map(str, world_files)]) == 0
        assert run([*before, "index", "rebuild"]) == 0
    return place


@pytest.fixture
def indexed(home: Path, _indexed: Path) -> Path:
    """``home`` with the world and its index."""
    shutil.copytree(_indexed, home)
    return home


@pytest.fixture
def models(home: Path) -> Models:
    """The versions of learned rankers of ``home``."""
    return Models(home / "models")


def keep_models(models: Models, *weights: float, use: tuple[int, ...] = ()) -> None:
    """Keep a version per weight, then put versions in use, one after the other."""
    for weight in weights:
        models.add(make_learned({"rights": weight, "headline_words": 60.0}))
    for number in use:
        models.use(number, by="程某", at=NOON, why="试")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of bytes, or of text in an encoding."""

    def write(content: bytes | str, name: str = "表.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def rows_of() -> Callable[[Path], list[list[str]]]:
    """The rows of a csv file."""

    def read(path: Path) -> list[list[str]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))

    return read


@pytest.fixture(scope="session")
def sheets_of() -> Callable[[Path], dict[str, list[list[object]]]]:
    """The sheets of a workbook as openpyxl reads them: rows of cell values, and no formula anywhere."""

    def read(path: Path) -> dict[str, list[list[object]]]:
        import openpyxl

        workbook = openpyxl.load_workbook(path)
        cells = [cell for sheet in workbook for row in sheet.iter_rows() for cell in row]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        return {sheet.title: [[c.value for c in row] for row in sheet.iter_rows()] for sheet in workbook}

    return read


@dataclass(slots=True)
class Clock:
    """The moment at which commands of tasks, bids and races do their work; a test moves it."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands at noon of a day of March until it is moved."""
    from api.cli import bids, racing, task_moves, task_pages, tasks

    made = Clock()
    for module in (bids, racing, task_moves, task_pages, tasks):
        monkeypatch.setattr(module, "now", made)
    monkeypatch.setenv("JIEBANG_USER", "李明")
    return made
