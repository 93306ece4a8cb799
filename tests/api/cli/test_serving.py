"""Keys from the command line: shown once, listed without what opens, revoked for good."""

import json
import re
import socket
from pathlib import Path

import pytest

from api.keys import Key, key_of
from graph.store.store import open_store
from tests.api.cli.conftest import Command
from tests.factories import NOON


def test_key_is_shown_once_and_opens_until_it_is_revoked(indexed: Path, jiebang: Command) -> None:
    made = jiebang(
        "key", "create", "hengqin", "--scopes", "read，order", "--name", "对接", "--days", "0", "--by", "程某"
    )
    assert made.code == 0
    (token,) = re.findall(r"jb_\w{12}_[\w-]{43}", made.out)
    with open_store(indexed / "store.db") as store:
        key = key_of(store, token, NOON)
        assert key is not None
        assert (key.partner, key.scopes, key.audience, key.name, key.expires_at) == (
            "hengqin", ("read", "order"), "partner", "对接", None,
        )  # fmt: skip
        assert key_of(store, token[:-1] + ("A" if token[-1] != "A" else "B"), NOON) is None
        # Nowhere is what opens kept.
        secret = token.rpartition("_")[2]
        assert secret not in str(store.history_of_process("key", key.id))
    listed = jiebang("key", "list")
    assert key.id in listed.out
    assert secret not in listed.out + jiebang("key", "list", "--json").out
    assert json.loads(jiebang("key", "list", "--json").out)["keys"][0]["partner"] == "hengqin"
    revoked = jiebang("key", "revoke", key.id, "--reason", "人员变动", "--by", "程某")
    assert revoked.code == 0
    with open_store(indexed / "store.db") as store:
        assert key_of(store, token, NOON) is None
        ended = store.process(Key, key.id)
        assert ended is not None
        assert (ended.state, ended.reason) == ("revoked", "人员变动")
    assert "已吊销" in jiebang("key", "list").out
    again = jiebang("key", "revoke", key.id, "--by", "程某")
    assert (again.code, "已吊销" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["横琴"], "合作平台代号"),
        (["hengqin", "--scopes", "fly"], "权限"),
        (["hengqin", "--scopes", " , "], "钥匙没有写权限"),
        (["hengqin", "--audience", "everyone"], "可见范围"),
    ],
)
def test_bad_key_is_refused_and_not_made(
    indexed: Path, jiebang: Command, arguments: list[str], told: str
) -> None:
    refused = jiebang("key", "create", *arguments, "--by", "程某")
    assert refused.code == 1
    assert told in refused.err
    assert "还没有钥匙" in jiebang("key", "list").out


def test_revoking_what_is_no_key_is_refused(indexed: Path, jiebang: Command) -> None:
    refused = jiebang("key", "revoke", "没有", "--by", "程某")
    assert (refused.code, "jiebang key list" in refused.err) == (1, True)


def test_undo_brings_no_revoked_key_back(indexed: Path, jiebang: Command) -> None:
    made = jiebang("key", "create", "hengqin", "--by", "程某")
    (number,) = re.findall(r"jb_(\w{12})_", made.out)
    assert jiebang("key", "revoke", number, "--by", "程某").code == 0
    revision = json.loads(jiebang("history", "--json").out)["revisions"][0]["revision"]
    refused = jiebang("undo", str(revision), "--by", "程某")
    assert refused.code == 1
    assert "钥匙" in refused.err


def test_serve_names_no_address_where_it_does_not_listen(indexed: Path, jiebang: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = jiebang("serve", "--port", port)
        # What is wrong with the encoder is said first, and not by a server that has begun.
        unknown = jiebang("--encoder", "bert", "serve", "--port", port)
    assert (refused.code, refused.out) == (1, "")
    assert f"不能在 127.0.0.1 的端口 {port} 上监听：端口正被别的程序使用。" in refused.err
    assert (unknown.code, unknown.out, "没有名为“bert”的编码器" in unknown.err) == (1, "", True)


def test_serve_refuses_a_home_that_is_not_there(jiebang: Command, home: Path) -> None:
    refused = jiebang("serve")
    assert (refused.code, "jiebang init" in refused.err) == (1, True)
    assert not home.exists()
