"""Which meetings to hold, whenever they may be: the greatest worth as a flow of least cost.

Everybody has a unit arc for each meeting, worth less with each, so that the flow takes the first ones first; the flow as a
whole is limited by tables times rounds. Where everybody can meet in every round, whatever is chosen can also be held,
because a bipartite graph needs no more colours than its highest degree (König 1916) and its colours can be used equally
often; where not, it is a bound.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from matcher.meetings import Meeting, MeetingDay, Pair, Someone, share


def best_pairs(day: MeetingDay, pairs: Sequence[Pair], kept: Sequence[Meeting] = ()) -> list[Pair]:
    """The pairs of the greatest worth beside the meetings ``kept``, out of ``pairs``, in the order of ids."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    held: Counter[Someone] = Counter()
    for one in kept:
        held["guest", one.guest] += 1
        held["team", one.team] += 1
    ordered = sorted(pairs)
    parties: list[Someone] = sorted({("guest", g) for g, _ in ordered} | {("team", t) for _, t in ordered})
    node = {party: number for number, party in enumerate(parties, 3)}
    room = day.tables * len(day.rounds) - len(kept)
    # 0 source, 1 behind the limit of tables, 2 sink; what is not used goes past at no cost
    arcs = [(0, 1, room, 0), (0, 2, len(ordered), 0)]
    for side, id in parties:
        for number in range(held[side, id] + 1, day.most[side, id] + 1):
            ends = (1, node[side, id]) if side == "guest" else (node[side, id], 2)
            arcs.append((*ends, 1, -share(number)))
    first = len(arcs)
    arcs += [(node["guest", g], node["team", t], 1, -day.worths[g, t]) for g, t in ordered]
    flow = SimpleMinCostFlow()
    tails, heads, capacities, costs = np.array(arcs, dtype=np.int64).T
    handles = flow.add_arcs_with_capacity_and_unit_cost(tails, heads, capacities, costs)
    flow.set_node_supply(0, len(ordered))
    flow.set_node_supply(2, -len(ordered))
    if flow.solve() != flow.OPTIMAL:
        raise RuntimeError("a flow that may pass everything by has no solution")
    used = flow.flows(handles[first:])
    return [pair for pair, taken in zip(ordered, used, strict=True) if taken]
