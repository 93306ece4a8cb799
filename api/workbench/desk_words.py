"""Words of the engine as they read at the workbench: where they name a command, the step that stands on the page."""

import re
from collections.abc import Mapping

# The longest first where one begins like another.
_STEPS: Mapping[str, str] = {
    "task move": "本页的办理步骤", "task list": "揭榜与赛马的列表", "task show": "榜单页", "bid open": "本页的“开标”",
    "panel draw": "本页的“抽取专家组”", "panel recuse": "本页的“专家回避”", "review assign": "本页的“分配标书”",
    "award propose": "本页的“拟定中选”", "award confirm": "本页的“定标生效”", "award withdraw": "本页的“撤销定标”", "award notice": "本页的“公示”",
    "race start": "本页的“开赛”", "race show": "本页的“赛马”", "case list": "案例库", "case show": "案例页",
    "case edit": "案例页的“修改”", "case move": "案例页的办理步骤", "outcome": "匹配页的“记进展”",
    "template": "数据导入页的模板", "import": "数据导入页", "history": "管理页的历史", "undo": "管理页的“撤销”", "doctor": "服务器检查",
}  # fmt: skip
# What programs are told to ask instead; the longest first where one begins like another.
_REQUESTS: dict[str, str] = {
    "POST …/panel/recusals": "榜单页的“专家回避”", "POST …/panel": "榜单页的“抽取专家组”", "POST …/review": "榜单页的“分配标书”",
    "POST …/bids/opening": "榜单页的“开标”", "POST …/award/moves": "榜单页定标的办理步骤", "POST …/award": "榜单页的“拟定中选”",
    "POST …/race/gates": "榜单页赛马的办理步骤", "POST …/race": "榜单页的“开赛”", "GET …/race": "榜单页的“赛马”",
    "GET /v1/tasks 列出榜单": "揭榜与赛马的列表里有全部榜单", "GET /v1/case-files 列出案例档案": "案例库里有全部案例",
    "POST /v1/outcomes": "匹配页的“记进展”", "榜单的 moves：clear": "榜单页的办理步骤“核实单位”",
    "请对照 /docs 办理，或告诉市平台": "请对照页面上的办理步骤，或告诉管理员", "请告诉市平台": "请告诉主管人员",
}  # fmt: skip
# Options of the command line for which a page has a field.
_OPTIONS: dict[str, str] = {
    "列名不同的可用 --map 指定，类型可用 --kind 指明": "列名不同的可在本页改列，类别可在上传时选明",
    "用 --kind 指明类型": "在上传时选明类别",
}
_ASIDE = re.compile(r"（jiebang [^（）]*）")
_COMMAND = re.compile(
    rf"(?:运行 ?|用 ?)?jiebang ({'|'.join(_STEPS)})(?:(?: |--)[^；。，、（）：:]*)?"
)  # the arguments end with the clause


def at_desk(text: str) -> str:
    """The text without commands and requests: people at the workbench have no terminal and write no programs."""
    plain = _COMMAND.sub(lambda found: f"用{_STEPS[found[1]]}", _ASIDE.sub("", text))
    for told, read in (_OPTIONS | _REQUESTS).items():
        plain = plain.replace(told, read)
    return (
        plain.replace("请按 problems 逐条", "请按下面所列逐条").replace("用用", "用").replace("或 用", "或用")
    )
