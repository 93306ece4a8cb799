"""Reads JSON: one object a line (.jsonl, .ndjson) or one array of objects (.json)."""

import json
from pathlib import Path
from typing import Any

from graph.intake.delimited import ESCAPED_BYTE, decode_text
from graph.intake.tables import ABSENT, EXACT_BELOW, Cell, Row, Table, precision_lost, tidy_text
from graph.problems import Problem, Refused

REMEDY = "请改成每行一个 JSON 对象，或由对象组成的一个数组"


def read_json(path: Path, data: bytes) -> Table:
    """The table of a JSON file: headers are the keys in order of appearance, a missing key is ``ABSENT``.

    Row numbers are lines, or entries of the array. Raises ``Refused`` if an array cannot be parsed at all.
    """
    text, _ = decode_text(data, path.name)
    problems: list[Problem] = []
    objects = _array(path, text) if text.lstrip().startswith("[") else _lines(text, problems)
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, value in objects:
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            problems.append(_problem("json_not_object", "这一条不是 JSON 对象", REMEDY, number))
    headers = tuple(dict.fromkeys(key for _, value in rows for key in value))
    return Table(
        source=path.name,
        sheet=None,
        banner=(),
        header_row=0,
        headers=headers,
        rows=tuple(Row(n, tuple(_cell(value.get(h, ABSENT)) for h in headers)) for n, value in rows),
        problems=tuple(problems),
    )


def _array(path: Path, text: str) -> list[tuple[int, Any]]:
    try:
        values = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        where = f"（第 {error.lineno} 行）" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused("json_unreadable", f"“{path.name}”不是合格的 JSON{where}。", f"{REMEDY}。") from error
    return list(enumerate(values, start=1))


def _lines(text: str, problems: list[Problem]) -> list[tuple[int, Any]]:
    objects = []
    # Only line feeds part lines: U+2028 and its like may stand inside a JSON text.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        if ESCAPED_BYTE.search(line):
            problems.append(
                _problem("bytes_undecodable", "这一行有不能识别的字节", "请存成 UTF-8 后再导入", number)
            )
            continue
        try:
            objects.append((number, json.loads(line, object_pairs_hook=_object, parse_constant=_constant)))
        except RecursionError:
            problems.append(_problem("json_unreadable", "这一行嵌套太深", REMEDY, number))
        except ValueError as error:
            where = f"第 {error.colno} 个字符处" if isinstance(error, json.JSONDecodeError) else ""
            told = str(error) if not isinstance(error, json.JSONDecodeError) else "不合格式"
            problems.append(
                _problem("json_unreadable", f"这一行不是合格的 JSON：{where}{told}", REMEDY, number)
            )
    return objects


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"键“{next(n for n in names if names.count(n) > 1)}”写了两次")
    return result


def _constant(name: str) -> Any:
    raise ValueError(f"不能用 {name} 作数值")


def _cell(value: Any) -> Cell:
    if isinstance(value, float):
        return precision_lost(f"{value:.15g}") if abs(value) >= EXACT_BELOW else value
    return tidy_text(value, guarded=False) if isinstance(value, str) else value


def _problem(code: str, message: str, remedy: str, row: int) -> Problem:
    return Problem(code=code, message=message, remedy=remedy, row=row)
