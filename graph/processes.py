"""Processes: things that move through states under rules, and why a move is open or not.

An order, a key, a webhook, a task are kinds of process: subclasses of ``Process`` declared where they belong, each with
its ``Rules``. Nothing here reads a clock or a store: the time is an argument, and a move gives the process after it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import ErrorDetails

from graph.problems import BadValue, Problem, Refused
from graph.values import Id

# ("process", kind, id)
ProcessKey = tuple[str, str, str]

# What a move's requirement is given: the process (of the kind's own class), the values handed in, the time.
Requirement = Callable[[Any, Mapping[str, Any], datetime], Problem | None]


class Process(BaseModel):
    """What every kind has. A kind adds typed attributes; ``label`` and a field's ``title`` are Chinese.

    Every time is aware and kept as UTC. Read back from the store, an attribute is held to its bare type only, but a
    model inside an attribute to its own rules: keep those loose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    label: ClassVar[str]

    id: Id
    state: Id
    # Whose it is, where it is a partner's.
    partner: Id = ""
    # Keys of nodes.
    about: tuple[tuple[str, str], ...] = ()
    opened_at: datetime
    # When it entered its present state, and when that should have ended.
    moved_at: datetime
    due: datetime | None = None

    @property
    def key(self) -> ProcessKey:
        """What the record is kept under."""
        return ("process", self.kind, self.id)

    @field_validator("id", "state")
    @classmethod
    def _present(cls, value: str) -> str:
        if not value:
            raise BadValue("value_missing", "必填项为空", "请补填")
        return value

    @field_validator("*")
    @classmethod
    def _in_utc(cls, value: Any) -> Any:
        if not isinstance(value, datetime):
            return value
        if value.tzinfo is None:
            raise BadValue("time_without_zone", "时间缺少时区", "请写明时区，例如 2026-03-31T09:30:00+08:00")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise BadValue("date_not_real", f"年份 {value.year} 不合常理", "请核对年月日") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A state: who must act in it (Chinese), how long it should last at most, whether it is the end."""

    name: str
    label: str
    duty: str = ""
    clock: timedelta | None = None
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A way from some states to one: who may go it, and what it requires. Its target may be its source."""

    name: str
    label: str
    sources: tuple[str, ...]
    target: str
    roles: frozenset[str]
    requires: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The states of a kind, the first one first, and its moves, both by name.

    Raises ``ValueError`` for a move between states that are not declared, a final state with a way out or a clock,
    and a state that is never reached.
    """

    states: Mapping[str, State]
    moves: Mapping[str, Move]

    def __post_init__(self) -> None:
        declared: dict[str, State | Move] = {**self.moves, **self.states}
        if misnamed := [name for name, one in declared.items() if name != one.name]:
            raise ValueError(f"declared under another name than their own: {misnamed}")
        for move in self.moves.values():
            if unknown := {*move.sources, move.target} - self.states.keys():
                raise ValueError(f"move {move.name!r} is from or to no state: {sorted(unknown)}")
        left = {source for move in self.moves.values() for source in move.sources}
        for state in self.states.values():
            if state.final and (state.name in left or state.clock is not None):
                raise ValueError(f"final state {state.name!r} has a way out or a clock")
        if lost := self.states.keys() - self._reached():
            raise ValueError(f"states never reached: {sorted(lost)}")

    @property
    def first(self) -> State:
        """The state in which a process is opened."""
        for state in self.states.values():
            return state
        raise ValueError("there are no states")

    def _reached(self) -> set[str]:
        reached, waiting = set[str](), [self.first.name]
        while waiting:
            reached.add(here := waiting.pop())
            ways = (move.target for move in self.moves.values() if here in move.sources)
            waiting += [target for target in ways if target not in reached]
        return reached


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMove:
    """A move, and what stands in its way; nothing: it may be made now."""

    move: Move
    problems: tuple[Problem, ...]


P = TypeVar("P", bound=Process)


def opened(kind: type[P], rules: Rules, *, id: str, at: datetime, **attributes: Any) -> P:
    """A process of the kind in its first state, whose clock starts at ``at``.

    Raises ``Refused`` (``process_value``) naming attributes that are unknown or have a bad value; ``ValueError`` for a
    time without zone.
    """
    if unknown := attributes.keys() - {"partner", "about", *_own(kind)}:
        raise _refusal([_no_such(kind, name) for name in sorted(unknown)])
    entered = {"opened_at": _utc(at), **_entering(rules.first, at)}
    try:
        return kind.model_validate({**attributes, "id": id, **entered})
    except ValidationError as error:
        raise _refusal(_bad_values(kind, error)) from error


def moves_from(
    process: Process, rules: Rules, *, role: str, at: datetime, values: Mapping[str, Any] | None = None
) -> list[OpenMove]:
    """Every move of the rules in declared order, with why it may not be made now, by ``role`` and with ``values``.

    What a move requires is looked at only where state and role allow it. Raises ``ValueError`` for a time without zone.
    """
    moment, (given, wrong) = _utc(at), _checked(process, values or {})
    return [
        OpenMove(
            move=move,
            problems=tuple(
                _not_here(process, rules, move, role) or wrong or _unmet(process, move, given, moment)
            ),
        )
        for move in rules.moves.values()
    ]


def moved(process: P, rules: Rules, name: str, *, role: str, at: datetime, values: Mapping[str, Any]) -> P:
    """The process after a move: in the new state since ``at``, with its clock, and with the values as attributes.

    Each value passes the rules of its own attribute, attributes not named stay as they are; what several must be
    together is for the move to require. Raises ``Refused`` with nothing changed: ``move_unknown``, ``move_state``,
    ``move_role``, ``process_value`` (naming the attributes), ``move_requirement``; ``ValueError`` for a time without
    zone.
    """
    moment, move = _utc(at), rules.moves.get(name)
    if move is None:
        known = "、".join(f"{move.name}（{move.label}）" for move in rules.moves.values())
        raise Refused("move_unknown", f"{process.label}没有“{name[:30]}”这一步。", f"可办的有：{known}。")
    given, wrong = _checked(process, values)
    if problems := _not_here(process, rules, move, role) or wrong:
        raise _refusal(problems)
    if problems := _unmet(process, move, given, moment):
        raise _refusal(problems, "move_requirement")
    return process.model_copy(update={**given, **_entering(rules.states[move.target], moment)})


def _not_here(process: Process, rules: Rules, move: Move, role: str) -> list[Problem]:
    problems = []
    if process.state not in move.sources:
        problems.append(_wrong_state(process, rules, move))
    if role not in move.roles:
        message = f"您的身份不能办理“{move.label}”"
        problems.append(Problem(code="move_role", message=message, remedy="请由有权办理这一步的一方来办"))
    return problems


def _unmet(process: Process, move: Move, given: Mapping[str, Any], at: datetime) -> list[Problem]:
    found = (required(process, given, at) for required in move.requires)
    return [problem for problem in found if problem is not None]


def _wrong_state(process: Process, rules: Rules, move: Move) -> Problem:
    here = rules.states[process.state].label if process.state in rules.states else process.state
    where = "、".join(f"“{rules.states[source].label}”" for source in move.sources)
    ways = dict.fromkeys(
        one.label
        for one in rules.moves.values()
        if process.state in one.sources and one.target != process.state and one.target in move.sources
    )
    first = f"；先办理{'或'.join(f'“{label}”' for label in ways)}" if ways else ""
    return Problem(
        code="move_state",
        message=f"{process.label}现在是“{here}”，不能办理“{move.label}”",
        remedy=f"处于{where}时才能办理{first}",
    )


def _refusal(problems: list[Problem], code: str | None = None) -> Refused:
    message, remedy = (
        "；".join(dict.fromkeys(text.removesuffix("。") for text in texts))
        for texts in ([p.message for p in problems], [p.remedy for p in problems])
    )
    return Refused(code or problems[0].code, f"{message}。", f"{remedy}。", problems=problems)


def _entering(state: State, at: datetime) -> dict[str, Any]:
    due = None if state.clock is None else _utc(at) + state.clock
    return {"state": state.name, "moved_at": _utc(at), "due": due}


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("the time of a move needs a time zone")
    return at.astimezone(UTC)


def _own(kind: type[Process]) -> list[str]:
    """The attributes that the kind adds."""
    return [name for name in kind.model_fields if name not in Process.model_fields]


def _checked(process: Process, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The values as the kind keeps them, and what is wrong with others."""
    kind = type(process)
    problems = [_no_such(kind, name) for name in values if name not in _own(kind)]
    # What the process has is not checked again: it may be older than a rule.
    draft, given = _draft(kind).model_construct(**dict(process)), {}
    for name in [name for name in values if name in _own(kind)]:
        try:
            setattr(draft, name, values[name])
            given[name] = getattr(draft, name)
        except ValidationError as error:
            problems += _bad_values(kind, error)
    return given, problems


@cache
def _draft(kind: type[Process]) -> type[Process]:
    """The kind with attributes that can be set one by one, each through its own rules."""
    settings = ConfigDict(frozen=False, validate_assignment=True)
    # mypy knows no class whose base is a value.
    make: Any = type(kind)
    draft: type[Process] = make(
        kind.__name__, (kind,), {"__module__": kind.__module__, "model_config": settings}
    )
    return draft


def _bad_values(kind: type[Process], error: ValidationError) -> list[Problem]:
    return [_bad_value(kind, detail) for detail in error.errors(include_url=False)]


def _bad_value(kind: type[Process], detail: ErrorDetails) -> Problem:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    bad = detail.get("ctx", {}).get("error")
    if isinstance(bad, BadValue):
        message, remedy = bad.message.removesuffix("。"), bad.remedy.removesuffix("。")
    elif detail["type"] == "missing":
        message, remedy = "必填项为空", "请补填"
    else:
        message, remedy = "这个值的写法不对", "请核对它的类型和可填的值"
    place = f"{_called(kind, name)}：" if name else ""
    return Problem(code="process_value", message=f"{place}{message}", remedy=remedy)


def _no_such(kind: type[Process], name: str) -> Problem:
    known = "、".join(_called(kind, own) for own in _own(kind)) or "（无）"
    return Problem(
        code="process_value", message=f"{kind.label}没有可填的“{name[:30]}”", remedy=f"可填的有：{known}"
    )


def _called(kind: type[Process], name: str) -> str:
    title = kind.model_fields[name].title if name in kind.model_fields else None
    return f"“{title}”（{name}）" if title else f"“{name}”"
