"""The figures by which tasks, bids and races are carried out: parameters of a city, each with its source or a note.

Measures 2 and 3 of 珠府办函〔2025〕13号 name 揭榜挂帅 and 竞争赛马 and state no figure; see data/policy/tasks.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from graph.problems import Refused
from graph.resources import resource
from matcher.process_values import CHINA

_FILE = "tasks.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPolicy:
    """The parameters; counts of days, organisations, experts, characters. ``clocks`` are days by state.

    ``race_teams`` is (fewest, most). ``vague_words`` maps a word to what to write in its place. ``rubric`` are names
    and weights of criteria (together 100).
    """

    clocks: Mapping[str, int]
    notice_days: int
    holidays: frozenset[date]
    workdays: frozenset[date]
    least_days_open: int
    quota: int
    experts: int
    opinions: int
    single_winners: int
    race_teams: tuple[int, int]
    gate_extensions: int
    answer_level: int
    invitations: int
    least_problem: int
    rubric: tuple[tuple[str, int], ...]
    vague_words: Mapping[str, str]

    def winners(self, selection: str) -> tuple[int, int]:
        """How many bids may win (fewest, most), by 揭榜 (``single``) or 赛马 (``race``)."""
        return self.race_teams if selection == "race" else (1, self.single_winners)

    def notice_ends(self, start: datetime, days: int) -> datetime:
        """When a notice of so many working days ends: 24:00 in China of the last one, the day of ``start`` not counted.

        With no days it ends as it begins.
        """
        if days == 0:
            return start
        day = start.astimezone(CHINA).date()
        left = days
        while left > 0:
            day += timedelta(days=1)
            left -= self._is_working(day)
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=CHINA)

    def _is_working(self, day: date) -> bool:
        return day in self.workdays or (day.weekday() < 5 and day not in self.holidays)


@cache
def task_policy() -> TaskPolicy:
    """The parameters that come with the program. Raises ``Refused`` (``policy_unreadable``)."""
    path = resource("policy", _FILE)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(content["format"])
        return _policy({name: about["value"] for name, about in content.items() if isinstance(about, dict)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        message, remedy = f"办理参数“{path}”读不出来（{error}）。", "请改回原来的格式，或重新安装 jiebang。"
        raise Refused("policy_unreadable", message, remedy) from error


def _policy(values: dict[str, Any]) -> TaskPolicy:
    values["clocks"] = values.pop("clocks_days")
    for name in ("holidays", "workdays"):
        values[name] = frozenset(date.fromisoformat(day) for day in values[name])
    fewest, most = values["race_teams"]
    values["race_teams"] = (fewest, most)
    values["rubric"] = tuple((name, weight) for name, weight in values["rubric"])
    return TaskPolicy(**values)
