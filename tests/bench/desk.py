"""Opens the workbench as 50 people would, and says how long they wait; claims are ratios of figures from one run.

    python -m tests.bench.desk                                      100,000 achievements, two workers
    python -m tests.bench.desk --achievements 2000 --workers 1      smaller, all in one process
    python -m tests.bench.desk --home DIR                           keeps the home there for the next run

One process serves (``jiebang serve``). First one person opens the ranked list of a scene, every time of another one, with
a portal's request for as many matches beside it (the engine's own time); then everybody clicks: a list, a pair of it,
the desk, a record, with a pause between. Where the machine has chromium a browser tells what a person sees: the first paint
of a list and of the longest one, and the time from a key to the next picture. Vectors are synthetic as in serving.py.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from api.keys import create_key
from api.workbench.gate import SESSION, session_digest
from api.workbench.people import User, add_user, hashed
from matcher.home import Home
from tests.bench.serving import _prepared, _server

_SESSIONS, _CLICKS = 50, 8
# Seconds between the clicks of one person: nobody reads a list in less.
_PAUSE = 3.0
_ALONE = 40
_WARM = 12


def main() -> None:
    """Build the home if need be, serve it, click, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--achievements", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(path=arguments.home or Path(folder) / "home")
        _prepared(home, arguments.achievements)
        tokens, key = _people(home)
        result: dict[str, Any] = {
            "achievements": arguments.achievements,
            "workers": arguments.workers,
            "cores": os.cpu_count(),
            "sessions": _SESSIONS,
        }
        with _server(home, arguments.workers, key) as port:
            scenes = iter(range(4000))
            result |= asyncio.run(_measured(port, tokens, key, scenes))
            result |= _seen(port, tokens[0], next(scenes))
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def _people(home: Home) -> tuple[list[str], str]:
    """Sessions of as many people, open as if they had signed in, and a key of the city's own portal."""
    now, tokens = datetime.now(UTC), [secrets.token_urlsafe(32) for _ in range(_SESSIONS)]
    with home.open_store(create=False) as store:
        for number, token in enumerate(tokens):
            login = f"desk{number:02d}"
            if store.process(User, login) is None:
                add_user(store, login=login, name=f"专员{number:02d}", role="staff", actor="bench", at=now)
            store.accounts.set_password(login, hashed(token), must_change=False)
            store.accounts.open_session(session_digest(token), login, now, timedelta(hours=12))
        _, key = create_key(
            store, partner="city", name="", scopes=("read",), audience="staff", lasts=None, per_minute=100_000,
            actor="bench", at=now,
        )  # fmt: skip
    return tokens, key


async def _measured(port: int, tokens: list[str], key: str, scenes: Any) -> dict[str, Any]:
    cookie, bearer = f"Cookie: {SESSION}={tokens[0]}", f"Authorization: Bearer {key}"
    for _ in range(_WARM):
        await _get(port, cookie, f"/match?scene=s{next(scenes):05d}")
    pages, answers = list[float](), list[float]()
    # By turns, so that what else the machine does falls on both alike.
    for _ in range(_ALONE):
        pages.append((await _get(port, cookie, f"/match?scene=s{next(scenes):05d}"))[0])
        answers.append((await _get(port, bearer, f"/v1/scenes/s{next(scenes):05d}/matches?top=30"))[0])
    others = {}
    for name, path in (("desk", "/"), ("records", "/records/achievement"), ("search", "/search?q=传感器"), ("imports", "/imports")):  # fmt: skip
        await _get(port, cookie, path)
        others[f"{name}_ms"] = round(1000 * float(np.median([(await _get(port, cookie, path))[0] for _ in range(5)])), 1)  # fmt: skip
    memory = _memory(port)
    times, failures = list[float](), [0]
    begun = time.perf_counter()
    await asyncio.gather(*(_person(port, token, scenes, times, failures) for token in tokens))
    lasted = time.perf_counter() - begun
    after = _memory(port)
    page, answer = _told(pages), _told(answers)
    many = _told(times)
    return {
        "list_alone": page,
        "engine_alone": answer,
        "list_over_engine_p50": round(page["p50_ms"] / answer["p50_ms"], 2),
        "pages": others,
        "everybody": many | {"clicks": len(times), "failures": failures[0], "per_second": round(len(times) / lasted, 1)},
        "p50_everybody_over_alone": round(many["p50_ms"] / page["p50_ms"], 2),
        "memory_mb": round(memory / 1e6, 1),
        "memory_after_mb": round(after / 1e6, 1),
        "memory_per_session_mb": round(max(0, after - memory) / 1e6 / _SESSIONS, 2),
    }  # fmt: skip


async def _person(port: int, token: str, scenes: Any, times: list[float], failures: list[int]) -> None:
    cookie = f"Cookie: {SESSION}={token}"
    pause = _PAUSE * (0.5 + secrets.randbelow(1000) / 1000)
    await asyncio.sleep(secrets.randbelow(int(1000 * _PAUSE)) / 1000)
    for _ in range(_CLICKS // 4):
        scene = f"s{next(scenes):05d}"
        seconds, status, body = await _get(port, cookie, f"/match?scene={scene}")
        found = re.findall(rb'href="(/pair\?found=[^"]*)"', body)
        paths = [found[0].decode().replace("&amp;", "&")] if found else []
        took = [(seconds, status)]
        for path in (*paths, "/", f"/records/scene/{scene}"):
            await asyncio.sleep(pause)
            took.append((await _get(port, cookie, path))[:2])
        times += [seconds for seconds, _ in took]
        failures[0] += sum(status != 200 for _, status in took)
        await asyncio.sleep(pause)


async def _get(port: int, head: str, path: str) -> tuple[float, int, bytes]:
    """Seconds to the last byte of a page, its status and its body."""
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    plain = quote(path, safe="/?=&%+-_.~:#")
    writer.write(f"GET {plain} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{head}\r\n\r\n".encode())
    whole = await reader.read()
    while more := await reader.read():
        whole += more
    seconds = time.perf_counter() - start
    writer.close()
    first, _, body = whole.partition(b"\r\n\r\n")
    return seconds, int(first.split(b" ", 2)[1]), body


def _told(times: list[float]) -> dict[str, float]:
    p50, p95 = (round(1000 * float(np.percentile(times, share)), 1) for share in (50, 95))
    return {"p50_ms": p50, "p95_ms": p95}


def _memory(port: int) -> int:
    """Bytes of the server and its lanes, each shared page counted once (PSS)."""
    server = next(
        int(one.name) for one in Path("/proc").iterdir()
        if one.name.isdigit() and f"--port\0{port}".encode() in _read(one / "cmdline")
    )  # fmt: skip
    return sum(_pss(pid) for pid in _family(server))


def _family(pid: int) -> list[int]:
    own = _read(Path(f"/proc/{pid}/task/{pid}/children")).split()
    return [pid, *(one for child in own for one in _family(int(child)))]


def _pss(pid: int) -> int:
    found = re.search(rb"^Pss:\s+(\d+) kB", _read(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _seen(port: int, token: str, scene: int) -> dict[str, Any]:
    """What a browser shows, in milliseconds; nothing where there is no chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or find_spec("playwright") is None:
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = opened.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
        context.add_cookies([{"name": SESSION, "value": token, "url": f"http://127.0.0.1:{port}"}])
        page = context.new_page()
        address = f"http://127.0.0.1:{port}/match"
        paints, whole = [], []
        for number in range(scene, scene + 9):
            page.goto(f"{address}?scene=s{number:05d}", wait_until="load")
            paints.append(page.evaluate(_PAINT))
            whole.append(page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd"))
        page.goto(f"{address}?scene=s{scene + 10:05d}&top=200", wait_until="load")
        longest = page.evaluate(_PAINT)
        keys = page.evaluate(_KEYS)
        opened.close()
    return {
        "browser": {
            "first_paint_ms": round(float(np.median(paints[1:])), 1),
            "of_which_the_server_ms": round(float(np.median(whole[1:])), 1),
            "first_paint_of_200_ms": round(float(longest), 1),
            **{name: round(value, 1) for name, value in keys.items()},
        }
    }


_PAINT = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()))))"
# From an input to the picture after it, the slowest of several, in a list of 200.
_KEYS = """async () => {
  const next = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const took = async (act) => { await next(); const from = performance.now(); act(); await next(); return performance.now() - from; };
  const words = document.getElementById("words"), least = document.getElementById("least");
  const typed = (text) => { words.value = text; words.dispatchEvent(new Event("input", { bubbles: true })); };
  const down = () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
  const slowest = async (acts) => { let most = 0; for (const act of acts) most = Math.max(most, await took(act)); return most; };
  return {
    filter_by_words_ms: await slowest(["传", "传感", "传感器", "", "a", ""].map((text) => () => typed(text))),
    filter_by_level_ms: await slowest(["3", "1", "4", "1"].map((level) => () => { least.value = level; least.dispatchEvent(new Event("change", { bubbles: true })); })),
    key_down_ms: await slowest(Array(10).fill(down)),
  };
}"""


if __name__ == "__main__":
    main()
