import ast
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

import embeddings.encoder
from api import problem_documents
from api.application import create_app
from api.cli.app import run
from api.keys import create_key
from api.settings import ServeSettings
from api.webhooks import EVENTS, signed_headers
from graph.store.outbox import Delivery
from matcher.home import Home
from tests.api.listening import listening
from tests.api.world import BigramEncoder
from tests.matcher.boards import make_posted, put_processes

# The firm that the page bids for: fictional.
CODE = "91440400MA00000157"
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "api" / "PARTNERS.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = "".join(text for language, text in BLOCKS if language == "sh")
SNIPPETS = [text for language, text in BLOCKS if language == "python"]
# Rooms whose refusals reach partners: in a problem document, or in the problems of one.
ITEM_ROOMS = ("values.py", "kinds.py", "processes.py", "identifiers", "intake")
# Of staff's work: keys, the command line's files, tables that partners cannot send, and the server's own start.
STAFF_ONLY = {
    "timetable_missing", "timetable_infeasible", "meetings_missing", "rubric",
    "key_scopes", "key_unknown", "partner_code", "idempotency_refused", "port_taken", "export_format", "export_unwritable",
    "export_cell_too_long", "export_kinds", "undo_conflict", "file_is_folder", "file_missing", "map_header_unknown",
    "map_target_unknown", "cell_beyond_workbook", "person_filled_in", "judge_is_grade", "judgement_contradicted",
    "reason_missing", "relation_end_unknown", "review_stage", "review_none", "review_incomplete", "review_no_experts",
    "review_rule", "review_conflict", "review_unassignable", "identity_unresolved", "panel_twice", "panel_none",
    "panel_member", "panel_stranger", "panel_rule", "panel_size", "panel_undrawable", "panel_no_alternate", "marks_refused",
    "score_missing", "grading_few", "award_none", "award_marks", "award_points", "award_winners", "award_notice",
    "award_objection", "award_won", "move_together",
    "undo_unknown", "undo_done", "undo_refused", "user_exists", "user_unknown",
    "user_expert", "user_last", "password_wrong", "password_weak", "version_unknown",
}  # fmt: skip
REFUSING = {"Refusal", "busy", "Refused", "BadValue", "_failed"}


class Receiver(BaseHTTPRequestHandler):
    """Takes messages and says thank you."""

    taken: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the output is the tests'."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An address that takes messages, and what it took."""
    taken: list[tuple[dict[str, str], bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Here", (Receiver,), {"taken": taken}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", taken
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server over the sample world, as the page's reader has it, and a key as the page says to make it."""
    home = Home(path=tmp_path_factory.mktemp("page") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        assert run(["--home", str(home.path), "--encoder", "bigrams", "init", "--demo"]) == 0
        with home.open_store(create=False) as store:
            _, token = create_key(
                store, partner="hengqin", name="", scopes=("read", "write", "order", "judge", "bid"), audience="partner",
                lasts=None, bidders=[CODE], per_minute=600, actor="程某", at=datetime.now(UTC),
            )  # fmt: skip
            # As the city would have posted it.
            put_processes(store, [make_posted(deadline=datetime(2099, 1, 1, tzinfo=UTC))])
        with listening(
            create_app(ServeSettings(home=home, encoder="bigrams", private_targets=True))
        ) as address:
            yield address, token


def test_every_command_of_page_answers_as_the_page_says(
    portal: tuple[str, str], receiver: tuple[str, list[tuple[dict[str, str], bytes]]], tmp_path: Path
) -> None:
    heads = tmp_path / "heads"
    heads.mkdir()
    wrapped = f'curl() {{ command curl --noproxy "*" -D "{heads}/$(date +%s%N)" "$@"; }}\n{COMMANDS}'
    environment = os.environ | {"JIEBANG": portal[0], "KEY": portal[1], "HOOK": receiver[0]}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", wrapped], cwd=tmp_path, env=environment, capture_output=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()

    told = [int(status) for status in re.findall(r"# (\d{3})$", COMMANDS, re.MULTILINE)]
    answered = [_status(path) for path in sorted(heads.iterdir())]
    assert answered == told
    assert len(told) == COMMANDS.count("curl ") == PAGE.count("curl ")
    assert (tmp_path / "清单.xlsx").read_bytes().startswith(b"PK")

    until = time.monotonic() + 30
    while not receiver[1] and time.monotonic() < until:
        time.sleep(0.05)
    assert {json.loads(body)["event"] for _, body in receiver[1]} >= {"ping"}


def _status(head: Path) -> int:
    """The status of the last answer in a file of headers."""
    return int(re.findall(r"^HTTP/[\d.]+ (\d{3})", head.read_text(encoding="latin-1"), re.MULTILINE)[-1])


def test_signature_check_of_page_takes_what_server_signs_and_nothing_else() -> None:
    names: dict[str, Any] = {}
    exec(next(text for text in SNIPPETS if "def genuine" in text), names)
    secret, at = "whsec_c2VjcmV0", datetime.now(UTC)
    delivery = Delivery(
        id=1, webhook="HD-1", partner="hengqin", subject="s", event="ping", seq=1, body='{"题": 1}', state="waiting",
        attempts=0, due_at=at, last_at=None, last_status=None, last_error="", created_at=at,
    )  # fmt: skip
    headers, body = signed_headers(secret, "msg_1", delivery, at), delivery.body.encode()
    old = signed_headers(secret, "msg_1", delivery, datetime(2026, 1, 1, tzinfo=UTC))
    genuine = names["genuine"]
    assert genuine(secret, headers, body)
    assert not genuine(secret, headers, body + b" ")
    assert not genuine("whsec_b3RoZXI=", headers, body)
    assert not genuine(secret, old, body)
    assert not genuine(secret, {**headers, "webhook-id": "msg_2"}, body)


def test_client_story_of_page_runs(portal: tuple[str, str]) -> None:
    story = next(text for text in SNIPPETS if "JiebangClient" in text)
    story = story.replace("http://127.0.0.1:8000", portal[0]).replace("jb_…", portal[1])
    told = subprocess.run(
        [sys.executable, "-c", story], capture_output=True, encoding="utf-8", cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "NO_PROXY": "127.0.0.1"}, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("not_found ")


def _codes(path: Path) -> set[str]:
    """The codes of the refusals and problems that a file makes."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        told = [one for one in node.args if name in REFUSING and isinstance(one, ast.Constant)]
        told = [one for one in told if isinstance(one.value, str)][:1]
        named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        found |= {one.value for one in (*told, *named) if isinstance(one, ast.Constant)}
    return {code for code in found if isinstance(code, str) and re.fullmatch("[a-z_]+", code)}


def test_page_names_every_code_that_a_partner_can_meet() -> None:
    # Forms and sheets of the command line, and pages of the workbench, are no partner's to meet.
    files = [
        path
        for path in (ROOT / "api").rglob("*.py")
        if not {"cli", "workbench"} & {*path.parts} and not path.stem.endswith(("_forms", "_sheets"))
    ]
    for room in ITEM_ROOMS:
        place = ROOT / "graph" / room
        files += [place] if place.is_file() else list(place.rglob("*.py"))
    files.append(ROOT / "matcher" / "orders.py")
    codes = {code for path in files for code in _codes(path)} - {"unreachable", "not_jiebang"}
    codes |= problem_documents._STATUSES.keys() | problem_documents._KINDS_OF_ERROR.keys()
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert codes - STAFF_ONLY - named == set()


def test_page_names_every_event() -> None:
    told = PAGE.partition("* 事件：")[2].partition("\n")[0]
    kinds, actions, others = (set(re.findall(pattern, told)) for pattern in (r"`([a-z]+)`", r"`(\.[a-z]+)`", r"`((?:order|task)\.[a-z]+)`"))  # fmt: skip
    assert {kind + action for kind in kinds for action in actions} | others == set(EVENTS)


def test_limits_of_page_are_those_of_the_server() -> None:
    settings = ServeSettings(home=Home(path=Path("x")))
    assert (settings.body_limit, settings.upload_limit, settings.answer_time) == (1_000_000, 50_000_000, 60)
    assert (settings.receipts_kept.days, settings.log_kept.days) == (2, 30)


def test_links_of_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (ROOT / "api" / target).is_file(), target


def test_page_is_reached_from_nothing_outside() -> None:
    """Its examples name only this machine and names that are nobody's."""
    hosts = {httpx2.URL(url).host for url in re.findall(r"https?://[\w.:/-]+", PAGE)}
    assert hosts <= {"127.0.0.1", "portal.example"}
