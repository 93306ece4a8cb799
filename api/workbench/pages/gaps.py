"""供需地图: scenes without a strong fit, achievements without a scene, by field and district; on screen and as xlsx."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.bulk import SUFFIXES
from api.desk_answers import GapsQuestion
from api.plain_workbook import write_sheets
from api.routes.paths import today
from api.services import Parts, Services
from api.workbench.access import AtDesk
from api.workbench.pages.matching import One
from api.workbench.rendering import page
from graph.feedback import LEVEL_LABELS
from graph.identifiers.districts import DISTRICTS
from graph.identifiers.fields import FIELDS

router = APIRouter(include_in_schema=False)

_SHOWN = 40
_EXPORTED = 100_000
_XLSX = next(media for media, suffix in SUFFIXES.items() if suffix == ".xlsx")
_WIDTHS = {"名称": 40, "单位": 28, "最接近的": 40, "差在哪里": 60, "产业领域": 18}


@router.get("/gaps")
async def get_gaps(
    request: Request, visitor: AtDesk, parts: Parts, level: One = "", field: One = "", district: One = ""
) -> Response:
    told = await _gaps(parts, level, field, district, _SHOWN)
    most = max((one[name] for one in (*told["by_field"], *told["by_district"]) for name in ("scenes", "achievements")), default=1)  # fmt: skip
    return await run_in_threadpool(
        page, request, "gaps.html", told=told, most=max(1, most), field=field, district=district,
        levels={n: LEVEL_LABELS[n] for n in (4, 3, 2)}, fields=list(FIELDS), districts=list(DISTRICTS),
    )  # fmt: skip


@router.get("/gaps/gaps.xlsx")
async def get_workbook(
    visitor: AtDesk, parts: Parts, level: One = "", field: One = "", district: One = ""
) -> Response:
    told = await _gaps(parts, level, field, district, _EXPORTED)
    body = await run_in_threadpool(_workbook, told)
    name = quote(f"供需缺口_{today()}.xlsx", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(body, media_type=_XLSX, headers=headers)


async def _gaps(parts: Services, level: str, field: str, district: str, most: int) -> dict[str, Any]:
    wanted = int(level) if level in ("2", "3", "4") else 3
    asked = GapsQuestion(
        audience="staff", today=today(), level=wanted, most=most,
        field=field if field in FIELDS else "", district=district if district in DISTRICTS else "",
    )  # fmt: skip
    told: dict[str, Any] = json.loads(await parts.answer_soon(asked))
    return told


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
