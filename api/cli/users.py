"""The accounts of the workbench: add, list, disable, reset."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.feedback import By, named_person, say_json
from api.cli.screen import say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from api.workbench.people import User

user_app = typer.Typer(
    name="user",
    cls=ChineseGroup,
    no_args_is_help=True,
    help="工作台的账号：新建、列出、停用、重置密码。",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(user_app)


@user_app.command(cls=ChineseCommand)
def add(
    context: typer.Context,
    login: Annotated[str, typer.Argument(metavar="登录名", help="小写字母、数字、点和连字符，如 li.ming。")],
    name: Annotated[str, typer.Option(help="姓名：评级和历史里显示。")],
    role: Annotated[
        str,
        typer.Option(
            help="staff 对接专员、organiser 路演组织者、expert 评审专家、officer 主管人员、administrator 管理员。"
        ),
    ] = "staff",
    expert: Annotated[str, typer.Option(help="评审专家在库里的编号。")] = "",
    by: By = None,
) -> None:
    """新建一个工作台账号；一次性密码只显示这一次。"""
    from api.workbench.people import ROLES, add_user

    settings: Settings = context.obj
    who = named_person(by)
    with settings.home.open_store(create=False) as store:
        user, password = add_user(
            store, login=login, name=name, role=role, expert=expert, actor=who, at=datetime.now(UTC)
        )
    say(f"已新建账号 {user.id}（{user.name}，{ROLES[user.role]}）。")
    say_password(user, password)


@user_app.command("list", cls=ChineseCommand)
def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
) -> None:
    """列出工作台账号。"""
    from api.workbench.people import ROLES, User

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        users = list(store.processes(User))
    if as_json:
        say_json({"users": [user.model_dump(mode="json", include={"id", "name", "role", "expert", "state", "opened_at"}) for user in users]})  # fmt: skip
        return
    if not users:
        say("还没有账号。第一次运行 jiebang serve 时会建立管理员，或用 jiebang user add 登录名 --name 姓名。")
        return
    rows = [
        [user.id, user.name, ROLES[user.role], "可用" if user.state == "active" else "已停用", user.expert]
        for user in users
    ]
    table(["登录名", "姓名", "角色", "状态", "专家编号"], rows, [20, 20, 12, 8, 16])


@user_app.command(cls=ChineseCommand)
def disable(
    context: typer.Context,
    login: Annotated[str, typer.Argument(metavar="登录名")],
    reason: Annotated[str, typer.Option(help="原因，记入历史。")] = "",
    by: By = None,
) -> None:
    """停用一个账号，立即生效；记录和历史保留。"""
    from api.workbench.people import move_user

    settings: Settings = context.obj
    who = named_person(by)
    with settings.home.open_store(create=False) as store:
        user = move_user(store, login, "disable", actor=who, at=datetime.now(UTC), values={"reason": reason})
    say(f"已停用 {user.id}（{user.name}），登录已全部退出。")


@user_app.command(cls=ChineseCommand)
def reset(
    context: typer.Context, login: Annotated[str, typer.Argument(metavar="登录名")], by: By = None
) -> None:
    """给一个账号新的一次性密码，并解除锁定；原来的登录全部退出。"""
    from api.workbench.people import reset_password

    settings: Settings = context.obj
    who = named_person(by)
    with settings.home.open_store(create=False) as store:
        say_password(*reset_password(store, login, actor=who, at=datetime.now(UTC)))


def say_password(user: "User", password: str) -> None:
    """Show a one-time password, once."""
    say(f"登录名 {user.id}，一次性密码（只显示这一次，登录后须改掉）：")
    say()
    say(f"    {password}")
    say()
