"""Small worlds for tests: nodes with only what a test is about, and an encoder that takes microseconds."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.unit_rows import unit_rows
from graph.kinds import KINDS, Achievement, Broker, Case, Enterprise, Institution, Node, Scene
from graph.relations import Edge
from graph.store.changes import Change, PutEdge, PutNode, RemoveNode
from graph.store.store import Store
from matcher.ranker import Ranker
from matcher.ranking import Match

if TYPE_CHECKING:
    from matcher.learning import Learned
    from matcher.learning_report import Report

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TODAY = NOON.date()


def make_scene(id: str = "CJ-1", **columns: Any) -> Scene:
    """A scene; ``columns`` are read as a sheet's cells would be (``maturity_floor="TRL6"``)."""
    return Scene(**({"id": id, "title": "海岛物资无人机投送"} | columns))


def unlike_scenes(count: int) -> list[Scene]:
    """Scenes with nothing in common with any other record: beside them what is alike stands out."""
    return [
        make_scene(f"CJ-X{n}", title="".join(chr(0x5000 + (97 * n + 31 * k) % 4001) for k in range(12)))
        for n in range(count)
    ]


def make_achievement(id: str = "CG-1", **columns: Any) -> Achievement:
    """An achievement; ``columns`` as of ``make_scene``."""
    return Achievement(**({"id": id, "title": "垂直起降固定翼无人运输机"} | columns))


def make_enterprise(id: str = "QY-1", **columns: Any) -> Enterprise:
    """An enterprise; ``columns`` as of ``make_scene``."""
    return Enterprise(**({"id": id, "title": "珠海某某航空有限公司"} | columns))


def make_institution(id: str = "JG-1", **columns: Any) -> Institution:
    """An institution; ``columns`` as of ``make_scene``."""
    return Institution(**({"id": id, "title": "某某理工大学"} | columns))


def make_broker(id: str = "JJ-1", **columns: Any) -> Broker:
    """A broker; ``columns`` as of ``make_scene``."""
    return Broker(**({"id": id, "title": "程某"} | columns))


def make_case(
    id: str = "AL-1", *, scene_id: str = "CJ-1", achievement_id: str = "CG-1", **columns: Any
) -> Case:
    """A case that tried an achievement in a scene; ``columns`` as of ``make_scene``."""
    return Case(
        **({"id": id, "title": "某案例", "scene_id": scene_id, "achievement_id": achievement_id} | columns)
    )


def make_edge(source: Node, relation: str, target: Node) -> Edge:
    """A stored relation between two nodes."""
    return Edge(
        source_kind=source.kind, source_id=source.id, relation=relation, target_kind=target.kind, target_id=target.id
    )  # fmt: skip


def apply(store: Store, *changes: Change) -> None:
    """Make the changes as one batch."""
    store.apply(changes, actor="程某", at=NOON, reason="")


def put(store: Store, *records: Node | Edge) -> None:
    """Put the records as one batch, nodes before edges."""
    nodes = [PutNode(node=record) for record in records if isinstance(record, Node)]
    apply(store, *nodes, *(PutEdge(edge=record) for record in records if isinstance(record, Edge)))


def shown(matches: Iterable[Match]) -> list[tuple[Any, ...]]:
    """Matches with None in place of NaN, so that equal ones compare equal."""
    return [
        (
            m.rank,
            m.key,
            m.score,
            m.level,
            m.probabilities,
            m.parts,
            {k: None if v != v else v for k, v in m.values.items()},
        )
        for m in matches
    ]


def make_report(**changed: Any) -> "Report":
    """What a small learning found; ``changed`` entries in place of its own."""
    from matcher.learning_report import Bin, Gain, Report, Way, Weight, Worse

    entries: dict[str, Any] = {
        "made_on": "2026-03-01", "seed": 7, "program": "0.1.0", "store_id": "store-1", "revision": 12, "head_hash": "ab12",
        "generation": "000003", "encoder": "bigrams/1", "lessons_digest": "cd34", "judgements": 120, "outcomes": 8, "pairs": 110,
        "scenes": 20, "judges": 3, "levels": (50, 30, 20, 10), "left_out": ("评级人甲的 3 条都是 4 级",), "folds": 5,
        "ways": tuple(
            Way(name=name, ndcg=ndcg, ndcg_low=ndcg - 0.05, ndcg_high=ndcg + 0.05, mrr=0.6, precision=0.4, accuracy=0.7)
            for name, ndcg in (("新模型", 0.72), ("现用模型", 0.7), ("冷启动", 0.68))
        ),
        "gains": (
            Gain(against="现用模型", mean=0.02, low=0.005, high=0.035, chance=0.99),
            Gain(against="冷启动", mean=0.04, low=-0.01, high=0.09, chance=0.9),
        ),
        "ece": 0.031,
        "reliability": (
            Bin(low=0.0, high=0.5, pairs=80, predicted=0.125, observed=0.1),
            Bin(low=0.5, high=1.0, pairs=30, predicted=0.75, observed=0.8),
        ),
        "worse": (Worse(scene="CJ-2", before=0.9, after=0.8), Worse(scene="CJ-9", before=0.7, after=0.4)),
        "features": (
            Weight(name="rights", label="知识产权", weight=2.5, before=1.0),
            Weight(name="headline_words", label="题目用词", weight=60.25, before=60.0),
        ),
        "limits": ("评级只来自一个区",), "better": True,
    }  # fmt: skip
    return Report(**(entries | changed))


def make_learned(weights: dict[str, float] | None = None, **changed: Any) -> "Learned":
    """A ranker of ``weights`` with the report of ``make_report``."""
    from matcher.learning import Learned

    ranker = Ranker(name="试学", weights=weights or {"headline_words": 60.0}, slope=0.1, cuts=(20, 35, 50))
    return Learned(ranker=ranker, report=make_report(**changed))


class BigramEncoder:
    """Hashed characters and pairs of characters, so that texts in the same words are near each other.

    Every vector shares one large direction, as e5's do. Query and document of a text differ a little.
    """

    def __init__(self, identity: str = "bigrams/1", dimension: int = 48) -> None:
        self._identity = identity
        self._dimension = dimension
        self.encoded = 0

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def dimension(self) -> int:
        return self._dimension

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, "问")

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, "文")

    def _encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        def encode(clean: list[str]) -> NDArray[np.float32]:
            self.encoded += len(clean)
            return np.stack([self._vector(side, text) for text in clean])

        return unit_rows(texts, self._dimension, 500, encode)

    def _vector(self, side: str, text: str) -> NDArray[np.float32]:
        pieces = [side, *text, *(text[i : i + 2] for i in range(len(text) - 1))]
        row = np.zeros(self._dimension)
        for piece in pieces:
            number = int.from_bytes(blake2b(piece.encode(), digest_size=6).digest())
            row[number % self._dimension] += 1.0 if number & (1 << 40) else -1.0
        row[0] += 2.0 * np.sqrt(len(pieces))
        return (row / np.linalg.norm(row)).astype(np.float32)


# A small world's ids and words: few enough that records repeat, replace each other and tie.
_TITLES = (
    "海岛无人机投送",
    "无人机投送海岛物资",
    "海水养殖网箱清洗",
    "石墨烯防腐涂层",
    "关键技术研究",
    "\u200b\u034f",
)
_SUMMARIES = (
    "",
    "跨海段侧风阵风大，离岸二十公里公网信号断续。",
    "网衣附着藤壶，人工清洗费时；水下能见度低。",
    "盐雾环境下涂层寿命短。",
    "不适用于盐雾环境；无人机投送不考虑。",
)
_COMMON: dict[str, Sequence[Any]] = {
    "title": _TITLES,
    "summary": _SUMMARIES,
    "field": ((), "低空经济", "海洋经济、新材料"),
    "district": (None, "香洲区", "市外"),
    "owner": ("", "甲公司"),
    "visibility": ("公开", "合作方", "内部"),
}
_BY_KIND: dict[str, dict[str, Sequence[Any]]] = {
    "scene": _COMMON | {"indicators": ("", "航程≥30km；抗风≥6级"), "maturity_floor": (None, "TRL6"), "budget": (None, "100"),
                        "deadline": (None, "2026-01-31", "2026-12-31"), "cooperation": ((), "采购、许可")},
    "achievement": _COMMON | {"indicators": ("", "航程45km；抗风5级", "航程20km"), "maturity": (None, "TRL4", "TRL8"), "price": (None, "80", "500"),
                              "ip_status": ("", "已授权", "未申请"), "cooperation": ((), "许可")},
    "enterprise": {"title": ("甲公司", "乙公司"), "products": ("", "无人机整机"), "visibility": ("公开", "内部")},
    "case": {"title": ("某案例",), "scene_id": ("CJ-1", "CJ-2"), "achievement_id": ("CG-1", "CG-2")},
}  # fmt: skip
_PREFIXES = {"scene": "CJ", "achievement": "CG", "enterprise": "QY", "case": "AL"}


def keys(*kinds: str, most: int = 4) -> st.SearchStrategy[tuple[str, str]]:
    """Keys of few nodes, of the kinds of a small world."""
    wanted = kinds or tuple(_BY_KIND)
    return st.sampled_from(
        [(kind, f"{_PREFIXES[kind]}-{number}") for kind in wanted for number in range(1, most + 1)]
    )


def nodes(*kinds: str, most: int = 4) -> st.SearchStrategy[Node]:
    """Nodes of a small world, any column filled in or not."""

    def of_key(key: tuple[str, str]) -> st.SearchStrategy[Node]:
        kind, id = key
        columns = {name: st.sampled_from(choices) for name, choices in _BY_KIND[kind].items()}
        return st.fixed_dictionaries(columns).map(lambda drawn: KINDS[kind](**drawn | {"id": id}))

    return keys(*kinds, most=most).flatmap(of_key)


def changes(most: int = 4) -> st.SearchStrategy[Change]:
    """Changes of a small world: mostly puts, also removals and relations."""
    puts = nodes(most=most).map(lambda node: PutNode(node=node))
    removals = keys(most=most).map(lambda key: RemoveNode(kind=key[0], id=key[1]))
    return st.one_of(puts, puts, puts, removals)
