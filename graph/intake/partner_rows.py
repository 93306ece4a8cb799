"""Rows that a partner sends: they become records of its own, and say nothing of anybody else's.

A partner's records lie in its own space of ids, which begin with its code and a colon. So its rows never meet those of
the city or of another partner, and no message can tell whether there is one.
"""

from collections.abc import Sequence

from graph.intake.rows import Record
from graph.intake.work import Work
from graph.kinds import KINDS, Node
from graph.problems import Problem
from graph.values import ID_LIMIT


def own_id(id: str, own: str) -> str:
    """The id in the space that begins with ``own``; as it is for who has no space, and where it is there already."""
    return id if not id or id.startswith(own) else f"{own}{id}"


def as_own(record: Record, own: str, sheet: str | None, row: int) -> tuple[Record | None, Sequence[Problem]]:
    """The record under its own id; None and why for one that a partner cannot make."""
    if not own or not isinstance(record, Node):
        return record, ()
    id = own_id(record.id, own)
    if record.visibility == "staff":
        message, column = "合作平台推送的记录不能设为内部", "可见范围"
        remedy = "请填“公开”或“合作方”；个别字段可在“字段可见范围”里设为内部"
        code = "visibility_refused"
    elif len(id) > ID_LIMIT:
        message, column = f"加上平台代号后编号有 {len(id)} 个字，超过上限 {ID_LIMIT} 字", "编号"
        remedy, code = f"请缩到 {ID_LIMIT - len(own)} 字以内", "id_too_long"
    else:
        return record.model_copy(update={"id": id}), ()
    return None, [Problem(code=code, message=message, remedy=remedy, sheet=sheet, row=row, column=column)]


def refuse_all_but_nodes(works: Sequence[Work]) -> None:
    """Leave tables of relations, judgements and outcomes aside, with an error: those are not a partner's to import."""
    for work in works:
        if work.mapping is not None and work.mapping.kind not in KINDS:
            problem = Problem(
                code="kind_refused",
                message="合作平台不能成批导入关系、评级和对接结果",
                remedy="请只上传场景、成果、企业等记录；评级和进展请用相应的接口",
                sheet=work.table.sheet,
            )
            work.add([problem])
            work.mapping = None
