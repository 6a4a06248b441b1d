"""A big graph folded into a small one.

Contracting nodes must not make a cycle. Three kinds of contraction cannot, and only these are used: a run of operators
in which each feeds only the next; a run of neighbours in walk order; such a run less some sources and sinks.
"""

from __future__ import annotations

from collections import Counter

from engine.errors import InvalidValueError
from engine.picture.graph import Graph, GraphEdge, GraphNode, walk_order

__all__ = ["summarise"]

Links = list[list[int]]

SHORTEST_RUN = 8  # a shorter chain is easier read than its summary
OVERVIEW = 48  # nodes of a summary by regions: arrows between regions are many, and more cannot be read
RUN_RIM = 2  # operators of a chain shown at each of its ends


def summarise(graph: Graph, max_nodes: int = 300) -> Graph:
    """The graph, with runs and regions folded into ``group`` nodes where it has more than ``max_nodes`` nodes.

    Outputs and widely used leaves are kept as they are, as far as a quarter of the room each allows. Where folding runs is
    not enough, the summary is an overview of at most ``OVERVIEW`` nodes.

    >>> x = GraphNode("0", "leaf", "x", None, "x", (), "float32")
    >>> steps = tuple(GraphNode(str(i), "op", "NegBackward0", "neg", None, (), "float32") for i in range(1, 1000))
    >>> chain = Graph((x, *steps), tuple(GraphEdge(str(i), str(i + 1), 0) for i in range(999)))
    >>> [node.name for node in summarise(chain).nodes][:4]
    ['x', 'NegBackward0', 'NegBackward0', '994 more operators']
    """
    if max_nodes < 8:
        raise InvalidValueError(f"max_nodes must be at least 8, and is {max_nodes}")
    if len(graph.nodes) <= max_nodes:
        return graph
    inputs, consumers = graph.links()
    part = _fold_runs(inputs, consumers)
    count = max(part) + 1
    if count > max_nodes:
        coarse_inputs, coarse_consumers = _contract(part, count, inputs)
        outputs = {p for p, node in zip(part, graph.nodes, strict=True) if node.kind == "output"}
        coarse = _fold_regions(coarse_inputs, coarse_consumers, outputs, min(max_nodes, OVERVIEW))
        part = [coarse[p] for p in part]
    return _quotient(graph, part)


def _fold_runs(inputs: Links, consumers: Links) -> list[int]:
    """A part number per node: the middle of each long run, with the leaves only it uses, is one part."""
    steps = [[i for i in found if inputs[i]] for found in inputs]  # inputs that are no sources
    follows = [len(found) == 1 and len(consumers[found[0]]) == 1 for found in steps]
    joined = list(range(len(inputs)))
    for start, found in enumerate(inputs):
        if not found or follows[start]:  # a source, or the middle of a run
            continue
        run = [start]
        while len(consumers[run[-1]]) == 1 and follows[consumers[run[-1]][0]]:
            run.append(consumers[run[-1]][0])
        middle = run[RUN_RIM : len(run) - RUN_RIM - (not consumers[run[-1]])]  # the graph's end is not counted
        if len(run) < SHORTEST_RUN:
            continue
        for node in middle:
            joined[node] = middle[0]
            for source in inputs[node]:
                if not inputs[source] and len(consumers[source]) == 1:
                    joined[source] = middle[0]
    return _renumber(joined)


def _fold_regions(inputs: Links, consumers: Links, outputs: set[int], max_nodes: int) -> list[int]:
    """A part number per node, at most ``max_nodes`` parts: the middle of the walk order is cut into regions."""
    room = max_nodes // 4
    ends = [n for n in sorted(outputs) if not consumers[n] and inputs[n]][:room]
    shared = [n for n, found in enumerate(inputs) if not found and len(consumers[n]) > 1]
    shared.sort(key=lambda n: -len(consumers[n]))
    kept = {*ends, *shared[:room]}
    order = [n for n in walk_order(inputs, consumers) if n not in kept]
    rim = max_nodes // 8
    middle = order[rim : len(order) - rim]
    size = -(-len(middle) // max(1, room))
    slices = [middle[i : i + size] for i in range(0, len(middle), size)]
    whole = list(range(len(inputs)))
    for region in slices:
        for node in region:
            whole[node] = region[0]
    split = list(range(len(inputs)))
    for node in middle:  # neighbours first joined to their inputs in the same slice: union by smallest root
        for source in inputs[node]:
            if source not in kept and whole[source] == whole[node]:
                a, b = _root(split, node), _root(split, source)
                split[max(a, b)] = min(a, b)
    split = [_root(split, node) for node in range(len(inputs))]
    return _renumber(split if len(set(split)) <= max_nodes else whole)


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def _renumber(joined: list[int]) -> list[int]:
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root, len(numbers)) for root in joined]


def _contract(part: list[int], count: int, inputs: Links) -> tuple[Links, Links]:
    new_inputs: list[dict[int, None]] = [{} for _ in range(count)]
    new_consumers: list[dict[int, None]] = [{} for _ in range(count)]
    for node, found in enumerate(inputs):
        for source in found:
            if part[source] != part[node]:
                new_inputs[part[node]][part[source]] = None
                new_consumers[part[source]][part[node]] = None
    return [list(found) for found in new_inputs], [sorted(found) for found in new_consumers]


def _quotient(graph: Graph, part: list[int]) -> Graph:
    members: list[list[GraphNode]] = [[] for _ in range(max(part) + 1)]
    for node, p in zip(graph.nodes, part, strict=True):
        members[p].append(node)
    taken = {node.id for node in graph.nodes}
    nodes = tuple(_group(found, taken) if len(found) > 1 else found[0] for found in members)
    home = {node.id: nodes[p] for node, p in zip(graph.nodes, part, strict=True)}
    edges: dict[tuple[str, str, int], GraphEdge] = {}
    for edge in graph.edges:
        source, target = home[edge.source], home[edge.target]
        if source is not target:
            number = 0 if target.kind == "group" else edge.input
            edges.setdefault((source.id, target.id, number), GraphEdge(source.id, target.id, number))
    return Graph(nodes, tuple(edges.values()))


def _group(members: list[GraphNode], taken: set[str]) -> GraphNode:
    """One node for many, saying how many and which operators most."""
    identity = f"group:{members[0].id}"
    while identity in taken:
        identity += "'"
    taken.add(identity)
    kinds = Counter("op" if node.kind == "op" else node.kind for node in members)
    words = {"op": "operator", "leaf": "leaf", "output": "output", "unrecorded": "unrecorded step"}
    plural = {"op": "operators", "leaf": "leaves", "output": "outputs", "unrecorded": "unrecorded steps"}
    parts = [f"{kinds[k]:,} {{}}{plural[k] if kinds[k] > 1 else words[k]}" for k in words if kinds[k]]
    name = ", ".join(text.format("more " if i == 0 else "") for i, text in enumerate(parts))
    ops = Counter(node.op or node.name for node in members if node.kind == "op")
    ranked = sorted(ops.items(), key=lambda item: (-item[1], item[0]))
    contents = [f"{count:,} \N{MULTIPLICATION SIGN} {op}" for op, count in ranked[:3]]
    contents += ["…"] if len(ranked) > 3 else []
    return GraphNode(
        identity,
        "group",
        name,
        None,
        None,
        (),
        "",
        freed=all(node.freed for node in members),
        value="\n".join(contents),
    )
