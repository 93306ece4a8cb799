"""Plans the import of files against the store, and commits the plan as one transaction."""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from graph.feedback import FEEDBACK_LABELS
from graph.intake.consistency import warn_of_choices, with_ends, without_repeats
from graph.intake.duplicates import Incoming, duplicate_warnings
from graph.intake.feedback_rows import one_per_key, read_feedback, with_stored_feedback, with_stored_ids
from graph.intake.mapping import HeaderMapping
from graph.intake.partner_rows import as_own, own_id, refuse_all_but_nodes
from graph.intake.readers import read_tables
from graph.intake.rows import Record, read_row, row_id
from graph.intake.tables import Table
from graph.intake.targets import RELATION
from graph.intake.work import Found, Work, distinct, map_tables, rows_of
from graph.kinds import KINDS, Node
from graph.problems import Problem
from graph.relations import Edge
from graph.store.audience import AudienceStore
from graph.store.changes import Applied, PutEdge, PutFeedback, PutNode
from graph.store.snapshot import Snapshot
from graph.store.store import Store

Source = str | Path | Table
# Why a new record may not be put under its id; None: it may.
Held = Callable[[Snapshot, Node], Problem | None]
Put = PutNode | PutEdge | PutFeedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows by outcome; ``refused`` have an error, ``skipped`` hold no record (totals, examples)."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """A table, what its columns were taken for (``None``: it was left aside), and its problems by row."""

    table: Table
    mapping: HeaderMapping | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What a commit did; ``applied`` is ``None`` when errors kept everything out."""

    applied: Applied | None
    counts: Counts
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import would do: how headers were read, what is wrong, what would change.

    ``problems`` are all problems in file order. ``changes`` hold new and changed records only, nodes
    before edges before judgements and outcomes; rows with an error are not among them.
    """

    tables: tuple[PlannedTable, ...]
    problems: tuple[Problem, ...]
    changes: tuple[Put, ...]
    counts: Counts
    revision: int
    at: datetime

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stand in the way."""
        return tuple(p for p in self.problems if p.severity == "error")

    def commit(self, store: Store, *, actor: str, reason: str, partial: bool = False) -> ImportResult:
        """Puts the changes into the store as one transaction; with any error nothing, unless ``partial``.

        ``partial`` takes the rows without errors. Raises ``Refused`` (``plan_stale``) when a record of the
        plan was changed by somebody since it was made, and whatever ``Store.apply`` refuses.
        """
        if self.errors and not partial:
            return ImportResult(applied=None, counts=self.counts, errors=len(self.errors))
        applied = store.apply(self.changes, actor=actor, at=self.at, reason=reason, since=self.revision)
        return ImportResult(applied=applied, counts=self.counts, errors=len(self.errors))


def plan_import(
    sources: Source | Sequence[Source],
    *,
    store: Store,
    at: datetime,
    kind: str | None = None,
    overrides: Mapping[str, str] | None = None,
    actor: str = "",
    partner: AudienceStore | None = None,
    held: Held | None = None,
) -> ImportPlan:
    """The plan of importing files (or tables already read) as one transaction; the store is only read.

    ``kind`` is one of ``KIND_NAMES``; without it each table's kind is guessed. ``overrides`` map a
    header of the file to a column (label, alias or attribute). Relations, judgements and outcomes are planned
    after all nodes, so they may point to nodes of the same import. A judgement or outcome without a name is
    ``actor``'s, one without a date is of ``at``. A column that the file does not have leaves an existing
    record's values as they are; a blank cell under a present header clears the value. ``partner`` is the view of
    the partner who sends the files, see ``partner_rows``. ``held`` says why a
    new record may not be put under its id (None: it may): what is under way there is not to be written around. Raises ``Refused`` for a file that cannot be read.
    """
    overrides = overrides or {}
    several = [sources] if isinstance(sources, (str, Path, Table)) else list(sources)
    tables: list[Table] = []
    for source in several:
        tables += [source] if isinstance(source, Table) else read_tables(Path(source), overrides)
    works = [Work(table) for table in distinct(tables)]
    general = map_tables(works, kind, overrides)
    with store.snapshot() as now:
        own = f"{partner.own}:" if partner else ""
        if partner is not None:
            refuse_all_but_nodes(works)
        nodes = without_repeats([f for w in _of(works, KINDS) for f in _read_nodes(w, now, own, held)])
        edges = [f for w in _of(works, (RELATION,)) for f in _read_edges(w)]
        edges = _with_stored(without_repeats(with_ends(edges, nodes, now)), now)
        said = [f for w in _of(works, FEEDBACK_LABELS) for f in read_feedback(w, actor=actor, at=at)]
        said = with_stored_ids(said, nodes, now)
        said = with_ends(with_stored_feedback(one_per_key(said), now), nodes, now)
        with partner.snapshot() if partner else nullcontext(now) as seen:
            _warn_of_duplicates(nodes, seen)
        revision = now.revision
    found = nodes + edges + said
    return ImportPlan(
        tables=tuple(PlannedTable(table=w.table, mapping=w.mapping, problems=_sorted(w)) for w in works),
        problems=(*general, *(p for w in works for p in _sorted(w))),
        changes=tuple(_change(f.record) for f in found if f.record != f.stored),
        counts=Counts(
            new=sum(f.stored is None for f in found),
            changed=sum(f.stored is not None and f.record != f.stored for f in found),
            unchanged=sum(f.record == f.stored for f in found),
            refused=sum(len(w.refused) for w in works),
            skipped=sum(w.skipped for w in works),
        ),
        revision=revision,
        at=at,
    )


def _of(works: list[Work], kinds: Container[str]) -> list[Work]:
    return [work for work in works if work.mapping and work.mapping.kind in kinds]


def _read_nodes(work: Work, now: Snapshot, own: str, held: Held | None) -> list[Found]:
    mapping = work.mapping
    if mapping is None:
        return []
    ids = [(row, own_id(row_id(row, mapping), own)) for row in rows_of(work, mapping)]
    stored = now.get_many(mapping.kind, [id for _, id in ids if id])
    found = []
    for row, id in ids:
        reading = read_row(row, work.table, mapping, stored.get(id))
        work.add(reading.problems)
        if reading.record is None:
            continue
        record, problems = as_own(reading.record, own, work.table.sheet, row.number)
        work.add(problems)
        if record is None:
            continue
        if held and isinstance(record, Node) and stored.get(id) is None and (problem := held(now, record)):
            work.add([replace(problem, sheet=work.table.sheet, row=row.number, column=None)])
            continue
        found.append(Found(work, row.number, record, stored.get(id)))
    warn_of_choices(work, found)
    if found and "id" not in mapping.attributes:
        example = getattr(found[0].record, "id", "")
        work.add(
            [
                Problem(
                    code="id_derived",
                    message=f"没有“编号”列，编号由名称和单位算出，例如 {example}；改了名称就会成为另一条记录",
                    remedy="建议在表里加一列“编号”",
                    severity="warning",
                    sheet=work.table.sheet,
                )
            ]
        )
    return found


def _read_edges(work: Work) -> list[Found]:
    if work.mapping is None:
        return []
    found = []
    for row in rows_of(work, work.mapping):
        reading = read_row(row, work.table, work.mapping)
        work.add(reading.problems)
        if reading.record is not None:
            found.append(Found(work, row.number, reading.record, None))
    return found


def _with_stored(edges: list[Found], now: Snapshot) -> list[Found]:
    stored = now.edges_by_key([f.record.key for f in edges if isinstance(f.record, Edge)])
    result = []
    for found in edges:
        assert isinstance(found.record, Edge)  # noqa: S101  (they come from ``_read_edges``)
        before, record = stored.get(found.record.key), found.record
        mapping = found.work.mapping
        if before and mapping and "note" not in mapping.attributes:
            record = before
        result.append(replace(found, record=record, stored=before))
    return result


def _warn_of_duplicates(nodes: list[Found], now: Snapshot) -> None:
    changed = [f for f in nodes if f.record != f.stored]
    if not changed:
        return
    works = {f.work.table.sheet: f.work for f in changed}
    kinds = {f.record.kind for f in changed if isinstance(f.record, Node)} | {"enterprise", "institution"}
    known = (node for kind in sorted(kinds) for node in now.nodes(kind))
    incoming = [Incoming(f.record, f.work.table.sheet, f.row) for f in changed if isinstance(f.record, Node)]
    for warning in duplicate_warnings(incoming, known):
        works[warning.sheet if warning.row else changed[0].work.table.sheet].add([warning])


def _change(record: Record) -> Put:
    if isinstance(record, Edge):
        return PutEdge(edge=record)
    return PutNode(node=record) if isinstance(record, Node) else PutFeedback(record=record)


def _sorted(work: Work) -> tuple[Problem, ...]:
    return tuple(sorted(work.problems, key=lambda p: p.row or 0))
