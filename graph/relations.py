"""The relations between nodes: names, Chinese labels, and which kinds they join."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from graph.kinds import KINDS
from graph.problems import BadValue
from graph.values import Id, Text, clean_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One relation: its name, how people call it, which kinds it starts and ends at."""

    name: str
    label: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    aliases: tuple[str, ...] = ()


_ORGANISATIONS = ("enterprise", "institution")

RELATIONS: Mapping[str, Relation] = {
    r.name: r
    for r in (
        Relation(
            name="posts", label="发布", sources=_ORGANISATIONS, targets=("scene",), aliases=("出题", "建设")
        ),
        Relation(
            name="owns",
            label="拥有",
            sources=_ORGANISATIONS,
            targets=("achievement",),
            aliases=("完成", "持有"),
        ),
        Relation(
            name="partners", label="合作", sources=_ORGANISATIONS, targets=_ORGANISATIONS, aliases=("联合",)
        ),
        Relation(
            name="controls",
            label="控股",
            sources=("enterprise",),
            targets=("enterprise",),
            aliases=("母公司",),
        ),
        Relation(
            name="serves",
            label="服务",
            sources=("broker",),
            targets=("scene", "achievement", *_ORGANISATIONS),
            aliases=("代理",),
        ),
        Relation(name="brokered", label="撮合", sources=("broker",), targets=("case",)),
        Relation(name="tried_in", label="验证于", sources=("case",), targets=("scene",), aliases=("应用于",)),
        Relation(name="adopts", label="采用", sources=("case",), targets=("achievement",)),
        Relation(name="implements", label="实施", sources=_ORGANISATIONS, targets=("case",)),
        Relation(
            name="employs",
            label="任职",
            sources=(*_ORGANISATIONS, "platform"),
            targets=("expert", "broker"),
            aliases=("聘用",),
        ),
        Relation(name="invented", label="发明", sources=("expert",), targets=("achievement",)),
        Relation(name="operates", label="运营", sources=_ORGANISATIONS, targets=("platform", "zone", "fund")),
        Relation(name="hosts", label="承载", sources=("zone", "platform"), targets=("scene", "achievement")),
        Relation(name="invests_in", label="投资", sources=("fund",), targets=("enterprise", "achievement")),
    )
}

KIND_WORDS: Mapping[str, str] = {
    "场景": "scene", "应用场景": "scene", "需求": "scene", "成果": "achievement", "科技成果": "achievement",
    "企业": "enterprise", "机构": "institution", "高校院所": "institution", "高校": "institution", "医疗机构": "institution",
    "经纪人": "broker", "技术经纪人": "broker", "案例": "case", "标杆案例": "case", "平台": "platform", "基金": "fund",
    "专家": "expert", "试验区": "zone", **{kind: kind for kind in KINDS},
}  # fmt: skip


def parse_kind(value: object) -> str:
    """A node kind from its Chinese or English word; raises ``BadValue`` listing the known ones."""
    text = clean_cell(value)
    if text not in KIND_WORDS:
        known = "、".join(k.label for k in KINDS.values())
        raise BadValue("kind_unknown", f"不认识的类型“{text[:30]}”", f"请从 {known} 中选一个")
    return KIND_WORDS[text]


def parse_relation(value: object) -> str:
    """A relation's name from its Chinese or English word; raises ``BadValue`` listing the known ones."""
    text = clean_cell(value)
    for relation in RELATIONS.values():
        if text in (relation.name, relation.label, *relation.aliases):
            return relation.name
    known = "、".join(r.label for r in RELATIONS.values())
    raise BadValue("relation_unknown", f"不认识的关系“{text[:30]}”", f"请从 {known} 中选一个")


class Edge(BaseModel):
    """One relation between two nodes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_kind: Annotated[str, BeforeValidator(parse_kind)]
    source_id: Id
    relation: Annotated[str, BeforeValidator(parse_relation)]
    target_kind: Annotated[str, BeforeValidator(parse_kind)]
    target_id: Id
    note: Text = ""

    @model_validator(mode="after")
    def _fits(self) -> "Edge":
        about = RELATIONS[self.relation]
        if self.source_kind not in about.sources or self.target_kind not in about.targets:
            sources = "、".join(KINDS[k].label for k in about.sources)
            targets = "、".join(KINDS[k].label for k in about.targets)
            raise BadValue(
                "relation_kinds",
                f"“{about.label}”不能从{KINDS[self.source_kind].label}连到{KINDS[self.target_kind].label}",
                f"它从 {sources} 连到 {targets}，请核对方向",
            )
        return self

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes the edge one and the same: both ends and the relation."""
        return (self.source_kind, self.source_id, self.relation, self.target_kind, self.target_id)


EDGE_COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "source_kind": ("起点类型", ("source_kind", "from_kind", "主体类型")),
    "source_id": ("起点编号", ("source_id", "from_id", "source", "主体编号")),
    "relation": ("关系", ("relation", "关系类型", "type")),
    "target_kind": ("终点类型", ("target_kind", "to_kind", "客体类型")),
    "target_id": ("终点编号", ("target_id", "to_id", "target", "客体编号")),
    "note": ("说明", ("note", "备注", "remark")),
}
