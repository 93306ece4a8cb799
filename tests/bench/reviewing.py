"""Times the assignment of entries to experts and the search for conflicts, at a size no city has yet reached.

    python -m tests.bench.reviewing                     500 bids, 120 experts
    python -m tests.bench.reviewing --entries 100       another size

Fits are drawn at random, a share of the pairs is barred. Printed as JSON: seconds of each part and the peak memory.
"""

import argparse
import json
import resource as process
import sys
import time
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np

from graph.kinds import Enterprise, Node
from matcher.conflicts import conflicts
from matcher.parties import Entry, Party, Person
from matcher.register import Register
from matcher.reviewing import Assignment, ReviewRules, assign

_SEED = 20260301


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=500)
    parser.add_argument("--experts", type=int, default=120)
    parser.add_argument("--barred", type=float, default=0.05)
    options = parser.parse_args()
    told: dict[str, Any] = {"entries": options.entries, "experts": options.experts}
    told["conflicts"] = _conflicts(options.entries, options.experts)
    generator = np.random.default_rng(_SEED)
    shape = (options.entries, options.experts)
    fits, barred = generator.random(shape).round(6), generator.random(shape) < options.barred
    rules = ReviewRules(
        per_entry=3,
        least=2,
        most=3 * options.entries // options.experts + 6,
        alternates=1,
        balance=Decimal("0.02"),
    )
    entries, experts = [f"B{i:04}" for i in range(shape[0])], [f"Z{j:04}" for j in range(shape[1])]
    started = time.perf_counter()
    found = assign(entries, experts, fits, barred, rules)
    taken = time.perf_counter() - started
    if not isinstance(found, Assignment):
        raise SystemExit("; ".join(problem.message for problem in found))
    loads = found.loads.values()
    told["assignment"] = {
        "seconds": round(taken, 2), "least_load": min(loads), "most_load": max(loads), "fit": round(found.fit, 1),
    }  # fmt: skip
    told["memory_mib"] = round(process.getrusage(process.RUSAGE_SELF).ru_maxrss / 1024)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


def _conflicts(entries: int, experts: int) -> dict[str, float]:
    random = Random(_SEED)
    firms: list[Node] = [
        Enterprise(id=f"QY-{n}", title=f"第{n}号智能制造有限公司") for n in range(entries + experts)
    ]
    people = [
        Person(id=f"Z{j}", name=f"专家{j}", organisations=(Party(name=firms[random.randrange(len(firms))].title),))
        for j in range(experts)
    ]  # fmt: skip
    bids = []
    for i in range(entries):
        party = Party(name=firms[random.randrange(len(firms))].title)
        team = tuple(
            Person(id=f"t{k}", name=f"队员{random.randrange(9999)}", organisations=(party,)) for k in range(5)
        )
        bids.append(Entry(id=f"B{i}", parties=(party,), people=team))
    register = Register(firms)
    started = time.perf_counter()
    found = conflicts(people, bids, register, today=date(2026, 3, 1), years=3)
    taken = time.perf_counter() - started
    return {"seconds": round(taken, 2), "pairs": len(found)}


if __name__ == "__main__":
    main()
