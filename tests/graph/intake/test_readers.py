import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from graph.intake import readers, workbook
from graph.intake.readers import read_tables
from graph.intake.tables import ABSENT, BadCell, Table, shown
from graph.problems import Refused

Writer = Callable[..., Path]


def only(path: Path) -> Table:
    (table,) = read_tables(path)
    return table


def cells(table: Table) -> list[tuple[object, ...]]:
    return [row.cells for row in table.rows]


def codes(table: Table) -> list[tuple[str, int | None]]:
    return [(p.code, p.row) for p in table.problems]


def bad_codes(table: Table) -> list[str]:
    return [c.code for row in table.rows for c in row.cells if isinstance(c, BadCell)]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return buffer.getvalue()


def sheet_package(sheet_xml: str) -> bytes:
    """The least that is a workbook, with one sheet of the given XML."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    return zipped(
        {
            "[Content_Types].xml": f'{head}<Types xmlns="{package}/content-types"/>'.encode(),
            "_rels/.rels": (
                f'{head}<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
                f'Type="{links}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
            ).encode(),
            "xl/workbook.xml": (
                f'{head}<workbook xmlns="{main}" xmlns:r="{links}"><sheets>'
                '<sheet name="场景" sheetId="1" r:id="rId1"/></sheets></workbook>'
            ).encode(),
            "xl/_rels/workbook.xml.rels": (
                f'{head}<Relationships xmlns="{package}/relationships">'
                f'<Relationship Id="rId1" Type="{links}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
            ).encode(),
            "xl/worksheets/sheet1.xml": (
                f'{head}<worksheet xmlns="{main}"><sheetData>{sheet_xml}</sheetData></worksheet>'
            ).encode(),
        }
    )


def broken_inside() -> bytes:
    """A package whose directory is whole while the compressed sheet in it is not."""
    whole = bytearray(
        sheet_package(
            "".join(f'<row r="{n}"><c r="A{n}"><v>{n * 7919 % 1000}</v></c></row>' for n in range(1, 200))
        )
    )
    with zipfile.ZipFile(io.BytesIO(bytes(whole))) as package:
        info = package.getinfo("xl/worksheets/sheet1.xml")
    whole[info.header_offset + 30 + len(info.filename)] ^= 0xFF
    return bytes(whole)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("空.xlsx", b"", "file_empty"),
        ("空.csv", b"\xef\xbb\xbf \r\n", "file_empty"),
        ("旧.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "file_old_format"),
        (
            "密码.xlsx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"),
            "file_encrypted",
        ),
        ("压缩包.xlsx", zipped({"场景.txt": b"abc"}), "file_zip"),
        ("文档.xlsx", zipped({"word/document.xml": b"<a/>"}), "file_word"),
        ("二进制.xlsb", zipped({"xl/workbook.bin": b"\0"}), "file_xlsb"),
        ("开放.ods", zipped({"content.xml": b"<a/>"}), "file_ods"),
        ("截断.xlsx", sheet_package("<row/>")[:400], "file_damaged"),
        ("坏块.xlsx", broken_inside(), "file_damaged"),
        ("网页.xls", "<html><table><tr><td>名称</td></tr></table>".encode(), "file_html"),
        ("文件.pdf", b"%PDF-1.7\n", "file_wrong_kind"),
        ("图片.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "file_wrong_kind"),
        ("乱.csv", bytes(range(1, 256)) * 40, "file_not_text"),
        ("坏.json", b'[{"a": 1},', "json_unreadable"),
        ("深.json", b"[" * 100_000, "json_unreadable"),
    ],
)
def test_read_tables_of_an_unreadable_file_is_refused(
    written: Writer, name: str, content: bytes, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_tables(written(content, name))
    assert refused.value.code == code
    assert refused.value.message
    assert refused.value.remedy


def test_read_tables_of_a_missing_file_or_folder_is_refused(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "没有.csv", "file_missing"), (tmp_path, "file_is_folder")):
        with pytest.raises(Refused) as refused:
            read_tables(path)
        assert refused.value.code == code


def test_read_tables_refuses_files_over_the_limits(written: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = written(sheet_package("<row/>" + " " * 2_000_000), "炸弹.xlsx")
    assert bomb.stat().st_size < 10_000
    monkeypatch.setattr(workbook, "UNPACKED_LIMIT", 1_000_000)
    monkeypatch.setattr(readers, "FILE_LIMIT", 20_000)
    with pytest.raises(Refused) as refused:
        read_tables(bomb)
    assert refused.value.code == "file_too_large"
    with pytest.raises(Refused) as refused:
        read_tables(written("编号,名称\n" * 2_000))
    assert refused.value.code == "file_too_large"


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="XFD1048576"><v>1</v></c>',
        '<c r="A99999999999"><v>1</v></c>',
        '<c r="a99999999999"><v>1</v></c>',
        "<c r='A99999999999'><v>1</v></c>",
        '<c s=">" r="A99999999999"><v>1</v></c>',
        '<c r="A99999999999" s="/>"><v>1</v></c>',
    ],
)
def test_read_tables_refuses_a_cell_far_away_before_it_is_parsed(written: Writer, cell: str) -> None:
    rows = f'<row r="1"><c r="A1"><v>1</v></c></row><row r="9">{cell}</row>'
    with pytest.raises(Refused) as refused:
        read_tables(written(sheet_package(rows), "远.xlsx"))
    assert refused.value.code == "sheet_too_large"


def test_read_tables_lets_cells_far_away_be_that_are_only_formatted(written: Writer) -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1" s="0"/></row><row r="9999"><c r="A9999"><v>1</v></c></row>'
    assert len(read_tables(written(sheet_package(rows), "近.xlsx"))) == 1


def test_workbook_header_is_found_under_a_merged_banner(xlsx: Writer) -> None:
    path = xlsx(
        [
            ["2026 年第一批应用场景机会清单", None, None],
            ["填报单位：某局　单位：万元", None, None],
            [],
            ["序号", "场景名称", "建设单位"],
            [1, "海岛投送", "某公司"],
        ],
        merge=["A1:C1", "A2:C2"],
    )
    table = only(path)
    assert (table.header_row, table.headers) == (4, ("序号", "场景名称", "建设单位"))
    assert table.banner == ("2026 年第一批应用场景机会清单", "填报单位：某局　单位：万元")
    assert [(r.number, r.cells) for r in table.rows] == [(5, (1, "海岛投送", "某公司"))]


def test_workbook_two_row_header_takes_the_lower_row(xlsx: Writer) -> None:
    path = xlsx(
        [
            ["编号", "名称", "单位信息", None],
            [None, None, "建设单位", "信用代码"],
            ["CJ-1", "甲", "某公司", "X"],
        ],
        merge=["A1:A2", "B1:B2", "C1:D1"],
    )
    table = only(path)
    assert (table.header_row, table.headers) == (2, ("编号", "名称", "建设单位", "信用代码"))
    assert cells(table) == [("CJ-1", "甲", "某公司", "X")]


def test_workbook_vertical_merges_are_spread_over_their_rows(xlsx: Writer) -> None:
    rows = [["企业名称", "场景名称"], ["某公司", "甲"], [None, "乙"], [None, "丙"], [None, "丁"]]
    table = only(xlsx(rows, merge=["A2:A4"]))
    assert cells(table) == [("某公司", "甲"), ("某公司", "乙"), ("某公司", "丙"), (None, "丁")]


def test_workbook_values_are_as_people_see_them(xlsx: Writer) -> None:
    values = [
        1001, 300.5, 0.1 + 0.2, True, date(2026, 3, 1), datetime(2026, 3, 1, 8, 30), "  ", "🚁 投送", "第一行\n第二行",
    ]  # fmt: skip
    table = only(xlsx([["编号", "名称", "简介", "a", "b", "c", "d", "e", "f"], values]))
    expected = (1001, 300.5, 0.3, True, date(2026, 3, 1), datetime(2026, 3, 1, 8, 30), None, "🚁 投送")
    assert cells(table) == [(*expected, "第一行\n第二行")]
    assert type(table.rows[0].cells[0]) is int


def test_workbook_numbers_keep_fifteen_digits_as_excel_shows_them(written: Writer) -> None:
    numbers = "".join(
        f'<c r="{c}2"><v>{v}</v></c>' for c, v in zip("AB", ["0.30000000000000004", "1e-7"], strict=True)
    )
    texts = "".join(
        f'<c r="{c}1" t="inlineStr"><is><t>{t}</t></is></c>'
        for c, t in zip("AB", ["编号", "名称"], strict=True)
    )
    table = only(written(sheet_package(f'<row r="1">{texts}</row><row r="2">{numbers}</row>'), "表.xlsx"))
    assert cells(table) == [(0.3, 1e-7)]
    assert [shown(cell) for cell in table.rows[0].cells] == ["0.3", "0.0000001"]


def test_workbook_long_numbers_formulas_and_error_values_are_marked(xlsx: Writer) -> None:
    rows = [
        ["编号", "名称", "简介", "预算", "状态"],
        [440402199001011234, "=B9", "#N/A", 123456789012345, "4.40402E+17"],
    ]
    table = only(xlsx(rows))
    assert bad_codes(table) == ["precision_lost", "formula_without_value", "cell_error", "precision_lost"]
    assert table.rows[0].cells[3] == 123456789012345


def test_workbook_formula_with_a_cached_value_is_read_as_that_value(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "公式.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["编号", "名称", "预算"])
        sheet.write_string(1, 0, "CJ-1")
        sheet.write_formula(1, 1, '="海岛"&"投送"', None, "海岛投送")
        sheet.write_formula(1, 2, "=100+200", None, 300)
    assert cells(only(path)) == [("CJ-1", "海岛投送", 300)]


def test_workbook_reads_all_visible_sheets_and_says_which_are_hidden(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "场景"
    book.active.append(["编号", "名称"])
    book.create_sheet("空表")
    hidden = book.create_sheet("底稿")
    hidden.append(["编号", "名称"])
    hidden.sheet_state = "hidden"
    book.create_sheet("成果").append(["成果编号", "成果名称"])
    book.create_chartsheet("图")
    path = tmp_path / "多表.xlsx"
    book.save(path)
    tables = read_tables(path)
    assert [(t.sheet, t.headers) for t in tables] == [
        ("场景", ("编号", "名称")),
        ("底稿", ()),
        ("成果", ("成果编号", "成果名称")),
    ]
    assert codes(tables[1]) == [("sheet_hidden", None)]


def test_renamed_files_are_read_by_their_content(xlsx: Writer, written: Writer) -> None:
    book = xlsx([["编号", "名称"], ["1", "甲"]], name="表.csv")
    assert cells(only(book)) == [("1", "甲")]
    assert cells(only(written("编号,名称\n1,甲\n", "表.xlsx"))) == [("1", "甲")]
    assert cells(only(written('{"编号": "1", "名称": "甲"}\n', "表.txt"))) == [("1", "甲")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_every_usual_encoding_and_delimiter(
    written: Writer, encoding: str, delimiter: str
) -> None:
    rows = [
        ["编号", "名称", "简介"],
        ["CJ-1", "海岛，投送；应急", "一;二,三\t四"],
        ["CJ-2", "𠮷野", '说"好"'],
    ]
    quoted = [[f'"{c.replace(chr(34), chr(34) * 2)}"' for c in row] for row in rows]
    text = "\r\n".join(delimiter.join(row) for row in quoted)
    table = only(written(text, encoding=encoding))
    assert table.headers == ("编号", "名称", "简介")
    assert cells(table) == [tuple(row) for row in rows[1:]]


def test_csv_delimiter_is_not_fooled_by_commas_in_texts(written: Writer) -> None:
    text = "编号;名称;简介\n1;甲;一,二,三,四\n2;乙;五,六,七,八\n"
    assert cells(only(written(text))) == [("1", "甲", "一,二,三,四"), ("2", "乙", "五,六,七,八")]
    declared = "sep=;\n编号;名称\n1;甲\n"
    assert [(r.number, r.cells) for r in only(written(declared)).rows] == [(3, ("1", "甲"))]


def test_csv_row_numbers_are_those_of_a_spreadsheet(written: Writer) -> None:
    text = '编号,名称\n1,"甲\n第二行"\n\n2,乙\n'
    assert [(r.number, r.cells) for r in only(written(text)).rows] == [
        (2, ("1", "甲\n第二行")),
        (4, ("2", "乙")),
    ]


def test_csv_ragged_rows_are_said(written: Writer) -> None:
    table = only(written("编号,名称,简介\n1,甲\n2,乙,丙,丁\n3,戊,己,\n"))
    assert cells(table) == [("1", "甲", ABSENT), ("2", "乙", "丙"), ("3", "戊", "己")]
    assert codes(table) == [("row_too_short", 2), ("row_too_long", 3)]
    assert [p.severity for p in table.problems] == ["warning", "error"]


def test_csv_unbalanced_quotes_are_an_error_at_their_row(written: Writer) -> None:
    table = only(written('编号,名称\n1,甲\n2,"乙\n3,丙\n'))
    assert codes(table) == [("quotes_unbalanced", 3)]
    assert ("1", "甲") in cells(table)


def test_csv_undecodable_bytes_are_placed_to_the_byte(written: Writer) -> None:
    start = "编号,名称\n1,海岛".encode()
    table = only(written(start + b"\xff" + "投送\n2,近海养殖监测\n".encode()))
    (bad,) = (c for row in table.rows for c in row.cells if isinstance(c, BadCell))
    assert (bad.code, bad.shown) == ("bytes_undecodable", "海岛\ufffd投送")
    assert f"第 {len(start) + 1} 个字节，0xFF" in bad.message
    assert cells(table)[1] == ("2", "近海养殖监测")


def test_csv_damaged_utf8_is_not_taken_for_gb18030(written: Writer) -> None:
    # With this byte gone the rest happens to be clean GB18030, and would be read as 缂栧彿,鍚嶇О.
    data = "编号,名称,联系人员\n1,海岛应急物资投送到,近海养殖\n".encode()
    table = only(written(data[:29] + data[30:]))
    assert table.headers == ("编号", "名称", "联系人员")
    assert bad_codes(table) == ["bytes_undecodable"]


def test_csv_gb18030_with_a_broken_byte_stays_gb18030(written: Writer) -> None:
    text = "编号,名称\n1,海岛应急物资投送\n2,近海养殖监测\n".encode("gb18030")
    table = only(written(text.replace("岛".encode("gb18030"), b"\xff")))
    assert bad_codes(table) == ["bytes_undecodable"]
    assert cells(table)[1] == ("2", "近海养殖监测")


def test_csv_cells_ruined_before_are_marked_and_guards_are_taken_off(written: Writer) -> None:
    table = only(written("编号,名称,简介\n4.40402E+17,甲\ufffd乙,#REF!\n'-1,'=1+1,'甲\n"))
    assert bad_codes(table) == ["precision_lost", "text_garbled", "cell_error"]
    assert cells(table)[1] == ("-1", "=1+1", "'甲")


def test_csv_survives_nul_bytes_and_an_endless_cell(written: Writer) -> None:
    table = only(written("编号,名称\n1,甲\x00乙\n2," + "长" * 200_000 + "\n3,丙\n"))
    assert cells(table)[0] == ("1", "甲\x00乙")
    assert codes(table) == [("cell_too_long", 3)]
    assert cells(table)[-1] == ("3", "丙")


def test_json_lines_keep_keys_that_are_missing_apart_from_blank_ones(written: Writer) -> None:
    text = '{"id": "1", "title": "甲", "price": 440402199001011234}\n\n{"id": "2", "title": "", "x": null}\n'
    table = only(written(text, "表.jsonl"))
    assert table.headers == ("id", "title", "price", "x")
    assert [(r.number, r.cells) for r in table.rows] == [
        (1, ("1", "甲", 440402199001011234, ABSENT)),
        (3, ("2", None, ABSENT, None)),
    ]


def test_json_array_is_read_entry_by_entry(written: Writer) -> None:
    table = only(written('[{"id": "1"},\n {"id": "2", "keywords": ["a b", "c"]}, 3]', "表.json"))
    assert [(r.number, r.cells) for r in table.rows] == [(1, ("1", ABSENT)), (2, ("2", ["a b", "c"]))]
    assert codes(table) == [("json_not_object", 3)]


def test_json_lines_with_faults_fail_line_by_line(written: Writer) -> None:
    lines = [
        b'{"id": "1", "title": "\\ud800"}',
        b'{"id": "2"',
        b'{"id": "3", "id": "4"}',
        b'{"id": "5", "price": NaN}',
        '{"id": "6", "title": "坏'.encode() + b"\xff" + b'"}',
        b"[1]",
        b'{"id": ' + b"[" * 50_000,
        b'{"id": 1e300}',
    ]
    table = only(written(b"\n".join(lines), "表.jsonl"))
    expected = ["json_unreadable"] * 3 + ["bytes_undecodable", "json_not_object", "json_unreadable"]
    assert sorted(codes(table), key=lambda c: c[1] or 0) == list(
        zip(expected, [2, 3, 4, 5, 6, 7], strict=True)
    )
    assert bad_codes(table) == ["precision_lost"]


def test_twenty_thousand_rows_come_through_whole(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "大.xlsx"
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        sheet = book.add_worksheet("场景")
        sheet.write_row(0, 0, ["编号", "名称"])
        for n in range(1, 20_001):
            sheet.write_row(n, 0, [f"CJ-{n}", f"场景{n}"])
    table = only(path)
    assert cells(table) == [(f"CJ-{n}", f"场景{n}") for n in range(1, 20_001)]
    assert table.rows[-1].number == 20_001
