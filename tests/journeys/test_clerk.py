"""A clerk's Monday, from two tables as offices send them to the workbook for the meeting; and a bad day."""

import csv
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "from api.cli import main; main()"


class Clerk:
    """Someone at a terminal: runs commands in one folder, on one home."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "数据"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JIEBANG_")}
        self.environment = {
            **kept,
            "JIEBANG_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }

    def begins(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def runs(self, *arguments: str, code: int = 0) -> str:
        """What the command says on both streams; it must end with ``code``."""
        with self.begins(*arguments) as process:
            said, _ = process.communicate()
        assert process.returncode == code, said
        return said


@pytest.fixture
def clerk(tmp_path: Path) -> Clerk:
    return Clerk(tmp_path)


def workbook(path: Path, rows: list[list[Any]], merged: list[str]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "需求征集表"
    for row in rows:
        sheet.append(row)
    for area in merged:
        sheet.merge_cells(area)
    book.save(path)


SCENES: list[list[Any]] = [
    ["某某新区2026年第一批应用场景征集汇总表", None, None, None, None, None, None, None],
    ["填报单位：某某新区科技局　　联系电话：0756-5550000", None, None, None, None, None, None, None],
    ["序号", "场景编号", "场景名称", "所属领域", "建设单位", "技术难点", "截止时间", "经费预算（万元）"],
    [1, "CJ-01", "海岛无人机送药", "低空经济", "某某海岛发展有限公司", "阵风大，抗风不足６级", "２０２６年１２月３１日", "３００"],
    [2, "CJ-02", "近岸海缆路由巡检", "海洋经济", None, "水下能见度低，靠潜水员摸查", "2026.11.30", "100-200"],
    [3, "CJ-03", "网箱鱼苗计数", "海洋经济", "某某海洋牧场有限公司", "人工点数慢", "2026-02-30", 80],
    ["合计", None, None, None, None, None, None, 480],
    ["填表人：张三", None, None, None, None, None, None, None],
]  # fmt: skip
MERGED = ["A1:H1", "A2:H2", "E4:E5", "A7:B7"]

ACHIEVEMENTS = """成果编号,成果名称,完成单位,成果简介,成熟度,专利号,意向价格
CG-01,抗七级风垂直起降无人机,某某理工大学,复合翼布局，向海岛投送药品,TRL8,ZL202110384726.X,260
CG-02,水下声呐巡检机器人,某某海洋研究院,沿海缆路由自主航行，浑水成像,中试,,面议
CG-03,鱼苗视觉计数仪,某某理工大学,吸鱼泵出口逐尾计数,12级,,15
CG-04,糖网筛查软件,某某医院,基层眼底筛查,已产业化,,
"""


def mend(report: Path, row: int, header: str, value: str) -> None:
    """Types a value into the coloured cell of an error report and saves it."""
    import openpyxl

    book = openpyxl.load_workbook(report)
    sheet = book.worksheets[0]
    heads = next(r for r in sheet.iter_rows() if r[0].value == "行号")
    column = next(cell.column for cell in heads if cell.value == header)
    line = next(r[0].row for r in sheet.iter_rows() if str(r[0].value) == str(row))
    cell = sheet.cell(line, column)
    assert cell.fill.fgColor.rgb == "FFF8CBAD"
    cell.value = value
    book.save(report)


def test_a_clerks_monday(clerk: Clerk) -> None:
    import openpyxl

    folder = clerk.folder
    workbook(folder / "场景征集.xlsx", SCENES, MERGED)
    (folder / "成果.csv").write_bytes(ACHIEVEMENTS.encode("gb18030"))

    # First a look, which writes nothing.
    said = clerk.runs("import", "场景征集.xlsx", "成果.csv", "--dry-run", code=1)
    assert "按“应用场景”读取" in said
    assert "按“科技成果”读取" in said
    assert "未用：序号（序号只是行的次序，不作编号）" in said
    assert "第 6 行“截止时间”列：日期“2026-02-30”不存在。" in said
    assert "第 4 行“成熟度”列：9 级制的成熟度没有第 12 级。" in said
    assert "错误 2 处：" in said

    # Each table by itself; the error report comes back mended.
    assert "没有写入任何内容" in clerk.runs("import", "场景征集.xlsx", code=1)
    mend(clerk.home / "错误报告-场景征集.xlsx", 6, "截止时间", "2026-02-28")
    said = clerk.runs("import", str(clerk.home / "错误报告-场景征集.xlsx"), "--actor", "张三")
    assert "新增 3，更新 0，不变 0，有错的行 0，跳过的行 1。" in said
    said = clerk.runs("import", "成果.csv", "--partial", "--report", "成果报告.xlsx", code=3)
    assert "已写入 3 条。有错的行没有写入。" in said
    mend(folder / "成果报告.xlsx", 4, "成熟度", "TRL7")
    assert "新增 1，更新 0，不变 3，" in clerk.runs("import", "成果报告.xlsx")
    assert "没有改动" in clerk.runs("import", "成果报告.xlsx")

    # What was messy is clean now: full-width digits, the merged owner, the Chinese date.
    first, second = clerk.runs("show", "CJ-01"), clerk.runs("show", "CJ-02")
    assert "截止日期：2026-12-31" in first
    assert "预算（万元）：300" in first
    assert "建设单位：某某海岛发展有限公司" in second
    assert "张三 新增：导入 错误报告-场景征集.xlsx" in first

    # The workbook for the meeting.
    assert "已写入 12 行到 匹配.xlsx。" in clerk.runs("match", "--all", "--out", "匹配.xlsx")
    rows = list(openpyxl.load_workbook(folder / "匹配.xlsx")["匹配结果"].iter_rows(values_only=True))
    best = {row[0]: row[5] for row in rows[1:] if row[2] == 1}
    assert best == {"CJ-01": "CG-01", "CJ-02": "CG-02", "CJ-03": "CG-03"}
    assert all(row[8] for row in rows)
    assert "没有发现问题" in clerk.runs("doctor")
    assert "已导出 7 条记录、0 条关系、12 条对接结果到 全部.xlsx。" in clerk.runs("export", "全部.xlsx")


ROWS = 3000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "场景.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["编号", "名称", "场景简介", "建设单位"])
        for number in range(ROWS):
            about = f"第{number}号站点的巡检，" + "".join(
                chr(0x4E00 + (number * 7919 + n * 104729) % 20000) for n in range(80)
            )
            writer.writerow([f"CJ-{number:05}", f"{number}号站点巡检", about, f"某某{number % 40}公司"])
    return path


def killed(process: "subprocess.Popen[str]", wal: Path, delay: float, size: int) -> bool:
    """Kills the process after ``delay`` seconds once the write-ahead log has ``size`` bytes; False if it ended."""
    due = time.monotonic() + delay
    while process.poll() is None:
        if time.monotonic() >= due and (wal.stat().st_size if wal.exists() else 0) >= size:
            process.kill()
            return True
        time.sleep(0.001)
    return False


def test_a_killed_import_is_in_as_a_whole_or_not_at_all_and_can_be_run_again(
    clerk: Clerk, large: Path
) -> None:
    clerk.runs("init")
    wal = clerk.home / "store.db-wal"
    kills, found = 0, ""
    # While it starts; while it writes, by how much has been written; then by time, when it may be done already.
    for delay, size in ((0.1, 0), (0.0, 1), (0.0, 2**20), (0.0, 2**21), (0.0, 2**22), (0.5, 0), (1.0, 0)):
        with clerk.begins("import", str(large)) as process:
            kills += killed(process, wal, delay, size)
        before, found = found, re.findall(r"^数据：(.*?)；版本", clerk.runs("doctor"), re.MULTILINE)[0]
        assert found in ("空", f"应用场景 {ROWS}")
        # What is in stays in.
        assert (before, found) != (f"应用场景 {ROWS}", "空")
    assert kills >= 4
    clerk.runs("import", str(large))
    assert f"数据：应用场景 {ROWS}；版本 1，历史链完好。" in clerk.runs("doctor")
    assert "没有改动" in clerk.runs("import", str(large))
