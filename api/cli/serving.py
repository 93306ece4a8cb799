"""HTTP: serve, and the keys of partners."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from api.cli.feedback import By, named_person, say_json
from api.cli.screen import moment, say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup
from api.cli.users import say_password

key_app = typer.Typer(
    name="key",
    cls=ChineseGroup,
    no_args_is_help=True,
    help="合作平台的访问钥匙：创建、列出、吊销。",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(serve)
    app.add_typer(key_app)


def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="监听地址；0.0.0.0 让其他电脑也能访问，请放在 HTTPS 代理之后。")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="监听端口。")] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="回答匹配问题的进程数；1 为都在一个进程里。")
    ] = 1,
    private_targets: Annotated[
        bool, typer.Option("--private-targets", help="允许回调发到本机和内部网络的地址，且可不加密。")
    ] = False,
) -> None:
    """启动服务：对接人员在浏览器里用工作台，合作平台凭钥匙查询、推送、点单。按 Ctrl+C 停止。"""
    from api.server import run_server
    from api.settings import ServeSettings
    from api.workbench.people import first_administrator

    settings: Settings = context.obj
    served = ServeSettings(
        home=settings.home, encoder=settings.encoder, workers=workers, private_targets=private_targets
    )
    # What is wrong with the store is said here, before anything listens.
    with settings.home.open_store(create=False):
        pass
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  (compared, not listened on)
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"

    def begun() -> None:
        say(f"工作台：在浏览器打开 {address}")
        # Not before: a password that is not shown, because the port was taken, would lock everybody out.
        with settings.home.open_store(create=False) as store:
            first = first_administrator(store, datetime.now(UTC))
        if first is not None:
            say_password(*first)
        say(f"合作平台接口：{address}v1/（说明见 /docs）；钥匙：jiebang key create 平台代号")

    run_server(served, host=host, port=port, begun=begun)


@key_app.command(cls=ChineseCommand)
def create(
    context: typer.Context,
    partner: Annotated[
        str, typer.Argument(metavar="平台代号", help="小写字母、数字和连字符，如 hengqin-platform。")
    ],
    name: Annotated[str, typer.Option(help="用途。")] = "",
    scopes: Annotated[
        str,
        typer.Option(
            help="权限，用逗号分开：read 查询、write 推送、order 点单、judge 评级、bid 投标、admin 管理。"
        ),
    ] = "read",
    audience: Annotated[
        str, typer.Option(help="看得到什么：public 公开、partner 合作方、staff 内部。")
    ] = "partner",
    days: Annotated[int, typer.Option(min=0, max=3650, help="有效天数；0 为不限。")] = 365,
    per_minute: Annotated[int, typer.Option(min=1, max=100_000, help="每分钟最多请求次数。")] = 600,
    bidder: Annotated[
        list[str] | None, typer.Option(help="可以代哪家单位投标（统一社会信用代码），可多次；权限要有 bid。")
    ] = None,
    by: By = None,
) -> None:
    """创建一把访问钥匙；钥匙只显示这一次。"""
    from api.keys import create_key
    from graph.values import parse_visibility

    settings: Settings = context.obj
    who = named_person(by)
    wanted = [scope.strip() for scope in scopes.replace("，", ",").split(",") if scope.strip()]
    with settings.home.open_store(create=False) as store:
        key, token = create_key(
            store, partner=partner, name=name, scopes=wanted, audience=parse_visibility(audience),
            lasts=timedelta(days=days) if days else None, per_minute=per_minute, actor=who, at=datetime.now(UTC),
            bidders=bidder or (),
        )  # fmt: skip
    until = moment(key.expires_at.isoformat()) if key.expires_at else "不限"
    say(f"已为 {key.partner} 创建钥匙 {key.id}（权限 {'、'.join(key.scopes)}，有效期至 {until}）：")
    if key.bidders:
        say(f"可以代这些单位投标：{'、'.join(key.bidders)}")
    say()
    say(f"    {token}")
    say()
    say("请立即交给对方妥善保存：它不会再显示。遗失或泄露时：jiebang key revoke " + key.id)


@key_app.command("list", cls=ChineseCommand)
def list_(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
) -> None:
    """列出所有钥匙（不含钥匙本身）。"""
    from api.keys import Key, shown_key
    from api.wire import utc_text

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        keys = list(store.processes(Key))
    if as_json:
        told = [
            {
                name: utc_text(value) if isinstance(value, datetime) else value
                for name, value in shown_key(key).items()
            }
            for key in keys
        ]
        say_json({"keys": told})
        return
    if not keys:
        say("还没有钥匙。创建：jiebang key create 平台代号")
        return
    now = datetime.now(UTC)
    rows = [
        [
            key.id, key.partner, key.name, "、".join(key.scopes), key.audience,
            "有效" if key.is_open(now) else "已吊销" if key.state == "revoked" else "已到期",
            moment(key.expires_at.isoformat()) if key.expires_at else "不限",
        ]
        for key in keys
    ]  # fmt: skip
    table(["编号", "平台", "用途", "权限", "可见范围", "状态", "有效期至"], rows, [12, 20, 16, 30, 8, 6, 19])


@key_app.command(cls=ChineseCommand)
def revoke(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="编号", help="钥匙的编号；用 jiebang key list 查看。")],
    reason: Annotated[str, typer.Option(help="原因，记入历史。")] = "",
    by: By = None,
) -> None:
    """吊销一把钥匙，立即生效，不能恢复。"""
    from api.keys import revoke_key

    settings: Settings = context.obj
    who = named_person(by)
    with settings.home.open_store(create=False) as store:
        key = revoke_key(store, id.strip(), actor=who, at=datetime.now(UTC), reason=reason.strip())
    say(f"已吊销 {key.partner} 的钥匙 {key.id}，立即失效；它登记的回调不再发送。")
