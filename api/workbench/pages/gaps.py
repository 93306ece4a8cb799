"""供需地图: scenes without a strong fit, achievements without a scene, by field and district; on screen and as xlsx."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bulk import SUFFIXES
from api.gap_runs import narrowed_gaps
from api.plain_workbook import write_sheets
from api.problem_documents import Refusal
from api.routes.paths import now, today
from api.services import Parts
from api.workbench.access import AtDesk
from api.workbench.forms import Form
from api.workbench.pages.matching import One
from api.workbench.rendering import link, moved_on, page
from graph.feedback import LEVEL_LABELS
from graph.identifiers.districts import DISTRICTS
from graph.identifiers.fields import FIELDS

router = APIRouter(include_in_schema=False)

_SHOWN = 40
_EXPORTED = 100_000
# Seconds that a page waits for what may be done at once; scenes up to which changed data are worked out unasked.
_WAIT, _QUICK = 1.0, 100
_XLSX = next(media for media, suffix in SUFFIXES.items() if suffix == ".xlsx")
_WIDTHS = {"名称": 40, "单位": 28, "最接近的": 40, "差在哪里": 60, "产业领域": 18}


@router.get("/gaps")
async def get_gaps(
    request: Request, visitor: AtDesk, parts: Parts, level: One = "", field: One = "", district: One = ""
) -> Response:
    """What is known; where nothing is, it is begun, and what takes no time is waited for."""
    wanted, runs = _level(level), parts.gaps
    run = runs.last(wanted)
    is_small = run is not None and run.total <= _QUICK
    if run is None or (is_small and not run.problem and runs.is_old(run, today())):
        await parts.opened("staff")
        run = runs.start(wanted, today=today(), at=now())
    await runs.settled(run, _WAIT if run.told is None or is_small else 0.0)
    narrow: dict[str, Any] = {
        "field": field if field in FIELDS else "",
        "district": district if district in DISTRICTS else "",
    }
    told = await run_in_threadpool(narrowed_gaps, run.told, **narrow, most=_SHOWN) if run.told else None
    balances = (*told["by_field"], *told["by_district"]) if told else ()
    most = max((one[name] for one in balances for name in ("scenes", "achievements")), default=1)
    return await run_in_threadpool(
        page, request, "gaps.html", told=told, most=max(1, most), **narrow, run=run, level=wanted,
        is_old=not run.is_running and runs.is_old(run, today()),
        levels={n: LEVEL_LABELS[n] for n in (4, 3, 2)}, fields=list(FIELDS), districts=list(DISTRICTS),
    )  # fmt: skip


@router.post("/gaps")
async def post_gaps(visitor: AtDesk, parts: Parts, sent: Form) -> Response:
    """Work it out anew, or stop."""
    level = _level(sent.get("level"))
    back = link("/gaps", level=level, field=sent.get("field"), district=sent.get("district"))
    if sent.get("do") == "stop":
        await parts.gaps.stop(level)
        return moved_on(back, said="已停止计算。")
    await parts.opened("staff")
    parts.gaps.start(level, today=today(), at=now())
    return moved_on(back)


@router.get("/gaps/gaps.xlsx")
async def get_workbook(
    visitor: AtDesk, parts: Parts, level: One = "", field: One = "", district: One = ""
) -> Response:
    run = parts.gaps.last(_level(level))
    if run is None or run.told is None:
        raise Refusal(409, "gaps_unknown", "供需缺口还没有算好，不能导出。", "请先打开供需地图，等计算完成。")
    told = narrowed_gaps(run.told, field=field, district=district, most=_EXPORTED)
    body = await run_in_threadpool(_workbook, told)
    name = quote(f"供需缺口_{today()}.xlsx", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(body, media_type=_XLSX, headers=headers)


def _level(text: str) -> int:
    return int(text) if text in ("2", "3", "4") else 3


def _workbook(told: dict[str, Any]) -> bytes:
    def rows(name: str) -> list[list[Any]]:
        return [
            [
                one["id"], one["title"], "、".join(one["field"]), one["district"] or "", one["owner"],
                one["best"]["title"] if one["best"] else "", one["score"], LEVEL_LABELS[one["level"]],
                "；".join(one.get("missing", ())),
            ]
            for one in told[name]
        ]  # fmt: skip

    head = ["编号", "名称", "产业领域", "所在区", "单位", "最接近的", "得分", "等级", "差在哪里"]
    counts = ["名称", "开放的场景", "没有着落的场景", "成果", "没有场景的成果"]
    balances = {
        title: (
            counts,
            [[b["name"], b["scenes"], b["unmet"], b["achievements"], b["idle"]] for b in told[name]],
        )
        for title, name in (("按产业领域", "by_field"), ("按区", "by_district"))
    }
    sheets = {
        "待找成果的场景": (head, rows("scenes")),
        "待找场景的成果": (head[:-1], [r[:-1] for r in rows("achievements")]),
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gaps.xlsx"
        write_sheets(path, {**sheets, **balances}, _WIDTHS)
        return path.read_bytes()
