"""The kinds of nodes and their columns: one declaration from which intake, templates and store follow.

Every attribute names its Chinese column header, other headers it is known by, and who may see it.
A new kind is a class and a row in ``KINDS``; no table changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from graph.problems import BadValue
from graph.values import (
    Amount,
    Count,
    Day,
    District,
    Fields,
    FieldVisibility,
    Flag,
    Id,
    IndustryCode,
    Ipcs,
    IpStatus,
    MaturityLevel,
    PatentNumbers,
    Seen,
    Text,
    Title,
    Uscc,
    Visibility,
    Words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one attribute appears to people: header, other headers, choices, example, who may see it."""

    label: str
    aliases: tuple[str, ...]
    choices: tuple[str, ...]
    example: str
    visibility: Visibility


def column(
    label: str,
    *aliases: str,
    default: Any = "",
    choices: tuple[str, ...] = (),
    example: str = "",
    visibility: Visibility = "public",
) -> Any:
    """A pydantic field that carries its ``Column``; ``default=...`` makes it required."""
    about = Column(label=label, aliases=aliases, choices=choices, example=example, visibility=visibility)
    return Field(default, json_schema_extra={"column": about})  # type: ignore[dict-item]


class Node(BaseModel):
    """What every kind has: an id, a title, where and what it is about, and who may see it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    label: ClassVar[str]

    id: Id = column("编号", "id", "ID", "代码", "唯一标识", "uuid", default=..., example="")
    title: Title = column("名称", "题名", "题目", "标题", "title", "name", default=...)
    summary: Text = column(
        "简介", "内容", "content", "summary", "description", "描述", "摘要", "abstract", "详情", "概述"
    )
    field: Fields = column(
        "产业领域",
        "领域",
        "行业领域",
        "所属领域",
        "应用领域",
        "技术领域",
        "field",
        "domain",
        default=(),
        example="低空经济",
    )
    district: District = column(
        "所在区",
        "区",
        "区域",
        "所属区",
        "属地",
        "地区",
        "拟落地区域",
        "拟落地应用区域",
        "district",
        "zone",
        default=None,
        example="香洲区",
    )
    keywords: Words = column("关键词", "关键字", "标签", "keywords", "tags", default=())
    visibility: Seen = column(
        "可见范围",
        "公开范围",
        "visibility",
        default="public",
        choices=("公开", "合作方", "内部"),
        example="公开",
    )
    field_visibility: FieldVisibility = column(
        "字段可见范围", "field_visibility", default={}, visibility="staff"
    )
    source: Text = column("来源", "数据来源", "source", visibility="partner")
    contact: Text = column("联系人", "contact", "对接人", visibility="staff")
    contact_phone: Text = column(
        "联系方式", "联系电话", "电话", "手机", "邮箱", "phone", "email", visibility="staff"
    )

    @field_validator("id", "title")
    @classmethod
    def _present(cls, value: str) -> str:
        if not value:
            raise BadValue("value_missing", "必填项为空", "请补填后再导入")
        return value

    @field_validator("field_visibility")
    @classmethod
    def _known_columns(cls, value: dict[str, Visibility]) -> dict[str, Visibility]:
        by_label = {about.label: name for name, about in columns(cls).items()}
        unknown = [name for name in value if name not in by_label and name not in cls.model_fields]
        if unknown:
            raise BadValue(
                "field_visibility_unknown", f"没有“{unknown[0]}”这一列", f"可写的列：{'、'.join(by_label)}"
            )
        return {by_label.get(name, name): who for name, who in value.items()}


class Scene(Node):
    """应用场景: a real place and problem where a new technology could be tried; also an enterprise's technology demand."""

    kind = "scene"
    label = "应用场景"

    id: Id = column(
        "编号",
        "id",
        "场景编号",
        "需求编号",
        "scene_id",
        "demand_id",
        "场景id",
        default=...,
        example="CJ-2026-001",
    )
    title: Title = column(
        "名称",
        "场景名称",
        "场景机会名称",
        "需求名称",
        "题名",
        "标题",
        "title",
        "name",
        default=...,
        example="海岛应急物资无人机投送",
    )
    summary: Text = column(
        "场景简介",
        "场景内容",
        "简介",
        "场景描述",
        "需求内容",
        "内容",
        "content",
        "summary",
        "description",
        "描述",
        "摘要",
        "详情",
        "概述",
        example="万山各岛受台风影响时补给船停航……",
    )
    category: Text = column("场景类型", "类型", "类别", "category")
    problem: Text = column(
        "技术难点",
        "难点痛点",
        "痛点难点",
        "痛点",
        "难点",
        "存在问题",
        "拟解决问题",
        "技术需求",
        "problem",
        example="海上阵风大，现有机型抗风不足 6 级",
    )
    indicators: Text = column(
        "技术指标",
        "指标",
        "目标指标",
        "预期目标",
        "考核指标",
        "indicators",
        example="抗风等级≥7级；单程航程≥30km；载荷≥10kg",
    )
    wanted: Text = column(
        "合作需求", "研究内容", "需要的能力", "主要技术", "wanted", example="整机、航线规划与岛上起降点建设"
    )
    existing_basis: Text = column("现有基础", "现有工作基础", "工作基础", "existing_basis")
    owner: Text = column(
        "建设单位", "需求单位", "单位名称", "发布单位", "企业名称", "owner", example="某某海岛发展有限公司"
    )
    owner_uscc: Uscc = column(
        "建设单位信用代码", "统一社会信用代码", "信用代码", "owner_uscc", "uscc", default=None
    )
    lead_department: Text = column("牵头部门", "责任单位", "主管部门", "lead_department")
    maturity_floor: MaturityLevel = column(
        "成熟度要求",
        "技术成熟度要求",
        "成熟度下限",
        "TRL要求",
        "maturity_floor",
        default=None,
        example="TRL6",
    )
    conditions: Text = column(
        "提供条件", "开放条件", "可提供条件", "conditions", example="空域协调、两个起降点、首年采购 200 架次"
    )
    cooperation: Words = column("合作方式", "合作模式", "cooperation", default=(), example="联合建设、采购")
    budget: Amount = column(
        "预算（万元）", "预算", "投资额", "经费预算", "budget", default=None, example="300"
    )
    deadline: Day = column(
        "截止日期", "期限", "截止时间", "完成时限", "deadline", default=None, example="2026-12-31"
    )
    status: Text = column("状态", "推进状态", "status", choices=("储备", "在推", "已落地"), example="在推")


class Achievement(Node):
    """科技成果: what a university, hospital or firm has found or built and could put to use."""

    kind = "achievement"
    label = "科技成果"

    id: Id = column(
        "编号", "id", "成果编号", "achievement_id", "登记号", "成果id", default=..., example="CG-2026-001"
    )
    title: Title = column(
        "名称",
        "成果名称",
        "项目名称",
        "题名",
        "标题",
        "title",
        "name",
        default=...,
        example="抗七级风垂直起降固定翼无人机",
    )
    summary: Text = column(
        "成果简介",
        "成果内容",
        "内容摘要",
        "成果内容摘要",
        "简介",
        "内容",
        "content",
        "summary",
        "description",
        "描述",
        "摘要",
        "abstract",
        "详情",
        "概述",
        example="采用复合翼布局……",
    )
    advantages: Text = column("技术优势", "创新点", "技术创新点", "主要优势", "advantages")
    indicators: Text = column(
        "技术指标",
        "指标",
        "主要性能指标",
        "性能指标",
        "主要参数",
        "indicators",
        example="抗风等级7级；航程45km；载荷12kg",
    )
    applications: Text = column(
        "可应用场景",
        "适用方向",
        "应用场景",
        "应用方向",
        "应用前景",
        "适用范围",
        "applications",
        example="海岛投送、海上平台补给",
    )
    owner: Text = column(
        "完成单位", "成果单位", "所属单位", "单位名称", "权利人", "owner", example="某某大学"
    )
    owner_uscc: Uscc = column(
        "完成单位信用代码", "统一社会信用代码", "信用代码", "owner_uscc", "uscc", default=None
    )
    inventors: Words = column(
        "完成人",
        "第一完成人",
        "发明人",
        "负责人",
        "主要完成人",
        "inventors",
        default=(),
        visibility="partner",
    )
    maturity: MaturityLevel = column(
        "成熟度",
        "技术成熟度",
        "TRL",
        "所处阶段",
        "成果阶段",
        "maturity",
        "stage",
        default=None,
        example="TRL7",
    )
    maturity_evidence: Text = column("成熟度证据", "评价证明", "maturity_evidence", example="第三方检测报告")
    ip_numbers: PatentNumbers = column(
        "知识产权号", "专利号", "专利申请号", "知识产权编号", "ip_numbers", default=()
    )
    ip_status: IpStatus = column(
        "知识产权状态",
        "专利状态",
        "法律状态",
        "ip_status",
        choices=("已授权", "实质审查中", "已受理", "未申请", "软件著作权"),
        example="已授权",
    )
    granted_on: Day = column("授权日期", "专利授权日", "granted_on", default=None)
    cooperation: Words = column(
        "合作方式", "转化方式", "合作模式", "cooperation", default=(), example="许可、作价投资"
    )
    price: Amount = column(
        "意向价格（万元）",
        "报价",
        "转让价格",
        "意向价格",
        "价格",
        "price",
        default=None,
        visibility="partner",
    )
    ipc: Ipcs = column("IPC分类号", "IPC", "专利分类号", "ipc", default=())
    award: Text = column("获奖情况", "奖励", "award")


class Enterprise(Node):
    """企业: a firm that wants solutions, offers scenes, or builds them."""

    kind = "enterprise"
    label = "企业"

    id: Id = column("编号", "id", "企业编号", "enterprise_id", default=..., example="QY-2026-001")
    title: Title = column(
        "名称",
        "企业名称",
        "企业名",
        "单位名称",
        "公司名称",
        "title",
        "name",
        default=...,
        example="某某智能装备有限公司",
    )
    uscc: Uscc = column("统一社会信用代码", "信用代码", "uscc", default=None)
    industry_code: IndustryCode = column(
        "国民经济行业", "行业代码", "所属行业", "industry_code", default=None, example="C3963"
    )
    products: Text = column("主营产品", "核心产品", "主营业务", "主营", "产品", "products")
    capabilities: Text = column("核心能力", "场景能力", "核心技术", "能力", "capabilities")
    needs: Text = column("技术需求", "需求", "合作需求", "needs")
    qualifications: Words = column("资质", "企业资质", "qualifications", default=(), example="高新技术企业")
    scale: Text = column("企业规模", "规模", "scale", choices=("大型", "中型", "小型", "微型"))


class Institution(Node):
    """高校院所/医疗机构: a university, research institute or hospital."""

    kind = "institution"
    label = "高校院所"

    id: Id = column("编号", "id", "机构编号", "institution_id", default=..., example="JG-001")
    title: Title = column(
        "名称", "机构名称", "单位名称", "title", "name", default=..., example="某某理工大学"
    )
    uscc: Uscc = column("统一社会信用代码", "信用代码", "uscc", default=None)
    type: Text = column("机构类型", "类型", "type", choices=("高校", "科研院所", "医疗机构"), example="高校")
    strengths: Text = column("优势领域", "优势学科", "研究方向", "strengths")


class Broker(Node):
    """技术经纪人: a person who brings both sides together (技术经纪人 and 技术经理人)."""

    kind = "broker"
    label = "技术经纪人"

    id: Id = column("编号", "id", "经纪人编号", "broker_id", default=..., example="JJ-001")
    title: Title = column("姓名", "名称", "title", "name", default=..., example="某某")
    level: Text = column(
        "等级", "级别", "level", choices=("初级技术经纪人", "中级技术经纪人", "高级技术经理人")
    )
    organisation: Text = column("所在机构", "单位名称", "单位", "机构", "organisation")
    field: Fields = column("专业领域", "产业领域", "领域", "擅长领域", "field", default=())
    scenes: Words = column("擅长场景", "scenes", default=())
    deals: Count = column("累计成交", "成交数", "成交项目数", "deals", default=None)
    load: Count = column("在办项目", "在办数", "load", default=None)
    capacity: Count = column("承载上限", "上限", "capacity", default=None)


class Case(Node):
    """标杆案例: what was tried and landed, and what came of it."""

    kind = "case"
    label = "标杆案例"

    id: Id = column("编号", "id", "案例编号", "case_id", default=..., example="AL-001")
    title: Title = column("名称", "案例名称", "案例名", "标题", "title", "name", default=...)
    scene_id: Id = column("场景编号", "场景id", "scene_id")
    achievement_id: Id = column("成果编号", "成果id", "achievement_id")
    owner: Text = column("建设单位", "owner")
    provider: Text = column("技术方", "技术提供方", "provider")
    first_use: Flag = column("首用首试", "是否首用首试", "first_use", default=None, choices=("是", "否"))
    investment: Amount = column("投入（万元）", "投入", "规模", "investment", default=None)
    period: Text = column("实施周期", "周期", "period")
    approach: Text = column("做法", "主要做法", "实施过程", "approach")
    effect: Text = column("量化成效", "成效", "effect")
    measures: Text = column(
        "成效指标",
        "前后对比",
        "measures",
        example="登塔作业次数：120→17 次/年（来源：用户使用证明）",
    )
    replicable: Text = column("可复制条件", "replicable")
    evidence: Text = column("证明材料", "evidence")
    batch: Text = column("发布批次", "批次", "batch")


class Platform(Node):
    """平台: concept validation, pilot production or small-batch production open to others (measure 13)."""

    kind = "platform"
    label = "平台"

    type: Text = column("平台类型", "类型", "type", choices=("概念验证", "中试熟化", "小批量试生产"))
    owner: Text = column("建设单位", "owner")
    facilities: Text = column("设备与能力", "设备", "facilities")


class Fund(Node):
    """基金: money that follows achievements (measure 12)."""

    kind = "fund"
    label = "基金"

    type: Text = column("基金类型", "类型", "type")
    manager: Text = column("管理人", "manager")
    size: Amount = column("规模（万元）", "规模", "size", default=None)


class Expert(Node):
    """专家: a person who judges or advises."""

    kind = "expert"
    label = "专家"

    title: Title = column("姓名", "名称", "title", "name", default=...)
    organisation: Text = column("所在单位", "单位", "organisation")
    position: Text = column("职称", "职务", "position")
    specialities: Text = column("研究方向", "专长", "specialities")


class Zone(Node):
    """试验区: an area with facilities where scenes can be tried (measure 4)."""

    kind = "zone"
    label = "试验区"

    owner: Text = column("建设单位", "责任单位", "owner")
    facilities: Text = column("设施条件", "设施", "facilities")
    capacity: Count = column("可承载场景数", "capacity", default=None)


KINDS: Mapping[str, type[Node]] = {
    k.kind: k
    for k in (Scene, Achievement, Enterprise, Institution, Broker, Case, Platform, Fund, Expert, Zone)
}


def columns(kind: type[Node]) -> dict[str, Column]:
    """The columns of a kind by attribute name, in the order a person would fill them in."""
    order = ("id", "title")
    names = [*order, *(n for n in kind.model_fields if n not in order and n not in Node.model_fields)]
    names += [n for n in Node.model_fields if n not in order]
    result: dict[str, Column] = {}
    for name in names:
        extra = kind.model_fields[name].json_schema_extra
        if isinstance(extra, dict) and isinstance(about := extra.get("column"), Column):
            result[name] = about
    return result
