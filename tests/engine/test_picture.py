"""Pictures: what they hold, that they are valid whatever the names, that they stay small and quick."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest

from engine.errors import InvalidValueError
from engine.picture import Graph, GraphEdge, GraphNode, summarise, to_dot, to_mermaid, to_svg
from engine.picture.graph import Kind
from engine.picture.layout import Layout, layout

SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = (
    "<script>alert('1')</script>",
    '"quoted" & &amp; ]]> -->',
    "control \x00\x08\x1b\x7f\x9f\ud800\ufffe",
    "end",
    "`code` **bold** __init__ [a](b) http://example.org",
    "1. list",
    "- list",
    "%% #35; #quot; ;",
    "style a:#1; classDef b:#2; click c href",
    "naïve 漢字 😀 \u202e reversed",
    "\\N \\",
    "",
    " \n\t ",
    "x" * 5_000,
)


class Sketch:
    """Builds graphs in the order of the calls."""

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.edges: list[GraphEdge] = []

    def leaf(self, name: str, grad: str | None = None) -> str:
        self.nodes.append(GraphNode(name, "leaf", name, None, name, (2, 2), "float32", grad=grad))
        return name

    def op(self, op: str, *inputs: str, freed: bool = False) -> str:
        identity = f"{op}{len(self.nodes)}"
        name = f"{op.title()}Backward0"
        self.nodes.append(GraphNode(identity, "op", name, op, None, (2, 2), "float32", ("input",), freed))
        self.edges += [GraphEdge(source, identity, i) for i, source in enumerate(inputs)]
        return identity

    def output(self, name: str, source: str) -> None:
        self.nodes.append(GraphNode(f"out {name}", "output", name, None, name, (), "float32", value="27."))
        self.edges.append(GraphEdge(source, f"out {name}", 0))

    def graph(self) -> Graph:
        return Graph(tuple(self.nodes), tuple(self.edges))


def tutorial() -> Graph:
    sketch = Sketch()
    y = sketch.op("add", sketch.leaf("x", grad="[[4.5, 4.5],\n [4.5, 4.5]]"))
    z = sketch.op("mul", y, y, freed=True)
    sketch.output("out", sketch.op("mean", sketch.op("add", z)))
    return sketch.graph()


def skipping() -> Graph:
    sketch = Sketch()
    h = x = sketch.leaf("x")
    for _ in range(6):
        h = sketch.op("tanh", h)
    sketch.output("y", sketch.op("add", h, x))
    return sketch.graph()


def fan_out() -> Graph:
    sketch = Sketch()
    x = sketch.leaf("x")
    sketch.output("y", sketch.op("stack", *(sketch.op("mul", x) for _ in range(60))))
    return sketch.graph()


def islands() -> Graph:
    sketch = Sketch()
    for i in range(20):
        sketch.output(f"y{i}", sketch.op("exp", sketch.leaf(f"x{i}")))
    return sketch.graph()


def tangle(count: int, near: int = 30, seed: int = 1) -> Graph:
    chance, sketch = random.Random(seed), Sketch()
    ids = [sketch.leaf(f"p{i}") for i in range(12)]
    while len(sketch.nodes) < count - 1:
        ids.append(sketch.op("mul", *(chance.choice(ids[-near:]) for _ in range(chance.choice((1, 2, 2))))))
    sketch.output("y", ids[-1])
    return sketch.graph()


def chain(length: int, *, shared: bool = False, own: bool = False) -> Graph:
    sketch = Sketch()
    h, w = sketch.leaf("x"), sketch.leaf("w")
    for i in range(length):
        others = ([w] if shared else []) + ([sketch.leaf(f"b{i}")] if own else [])
        h = sketch.op("mul", h, *others)
    sketch.output("y", h)
    return sketch.graph()


def hostile() -> Graph:
    kinds: tuple[Kind, ...] = ("leaf", "op", "output", "unrecorded")
    nodes = tuple(
        GraphNode(f"{i}{text}", kinds[i % 4], text, "op", text[::-1], (1,), text, (text, text), i > 6, text, text)
        for i, text in enumerate(HOSTILE)
    )
    return Graph(nodes, tuple(GraphEdge(a.id, b.id, 3) for a, b in pairwise(nodes)))


DRAWN = {
    "tutorial": tutorial(),
    "skipping": skipping(),
    "fan_out": fan_out(),
    "islands": islands(),
    "tangle": tangle(200),
    "dense": tangle(60, near=200, seed=2),
    "chain": chain(100, shared=True),
    "hostile": hostile(),
    "empty": Graph((), ()),
}
drawn = pytest.mark.parametrize("graph", DRAWN.values(), ids=DRAWN.keys())


def laid_out(graph: Graph) -> Layout:
    sizes = {node.id: (80.0 + 17 * (i % 5), 30.0 + 11 * (i % 3)) for i, node in enumerate(graph.nodes)}
    return layout(graph, sizes)


def acyclic(graph: Graph) -> bool:
    inputs, consumers = graph.links()
    ready = [i for i, found in enumerate(inputs) if not found]
    waiting = [len(found) for found in inputs]
    for node in ready:
        for consumer in consumers[node]:
            waiting[consumer] -= 1
            if not waiting[consumer]:
                ready.append(consumer)
    return len(ready) == len(inputs)


class TestGraph:
    def test_json_is_the_wire_form(self) -> None:
        found = tutorial().to_json()
        assert found["edges"][1] == {"from": "add1", "to": "mul2", "input": 0}
        assert found["nodes"][2] == {
            "id": "mul2",
            "kind": "op",
            "name": "MulBackward0",
            "op": "mul",
            "tensor": None,
            "shape": [2, 2],
            "dtype": "float32",
            "saved": ["input"],
            "freed": True,
            "value": None,
            "grad": None,
        }

    def test_two_nodes_of_one_id_are_refused(self) -> None:
        x = GraphNode("x", "leaf", "x", None, "x", (), "float32")
        with pytest.raises(InvalidValueError, match="same id"):
            Graph((x, x), ())

    def test_a_cycle_is_refused_where_it_matters(self) -> None:
        a, b = (GraphNode(name, "op", name, name, None, (), "float32") for name in "ab")
        loop = Graph((a, b), (GraphEdge("a", "b", 0), GraphEdge("b", "a", 0)))
        with pytest.raises(InvalidValueError, match="cycle"):
            to_svg(loop)


class TestLayout:
    @drawn
    def test_rows_respect_edges(self, graph: Graph) -> None:
        boxes = laid_out(graph).boxes
        assert boxes.keys() == {node.id for node in graph.nodes}
        for edge in graph.edges:
            source, target = boxes[edge.source], boxes[edge.target]
            assert source.row < target.row
            assert source.y + source.height / 2 < target.y - target.height / 2

    @drawn
    def test_no_two_boxes_overlap(self, graph: Graph) -> None:
        found = laid_out(graph)
        for a, b in combinations(found.boxes.values(), 2):
            apart_x = abs(a.x - b.x) - (a.width + b.width) / 2
            apart_y = abs(a.y - b.y) - (a.height + b.height) / 2
            assert max(apart_x, apart_y) > 10
        for box in found.boxes.values():
            assert -0.1 <= box.x - box.width / 2 <= box.x + box.width / 2 <= found.width + 0.1
            assert -0.1 <= box.y - box.height / 2 <= box.y + box.height / 2 <= found.height + 0.1

    @drawn
    def test_arrows_touch_their_boxes_and_only_go_down(self, graph: Graph) -> None:
        found = laid_out(graph)
        assert [(r.source, r.target, r.input) for r in found.routes] == [
            (e.source, e.target, e.input) for e in graph.edges
        ]
        for route in found.routes:
            source, target = found.boxes[route.source], found.boxes[route.target]
            (x0, y0), (x1, y1) = route.points[0], route.points[-1]
            assert (x0, y0) == pytest.approx((source.x, source.y + source.height / 2))
            assert y1 == pytest.approx(target.y - target.height / 2)
            assert abs(x1 - target.x) <= target.width / 2
            heights = [y for _, y in route.points]
            assert heights == sorted(heights)

    def test_arrows_do_not_cross_boxes(self) -> None:
        for graph in (skipping(), fan_out(), tangle(200)):
            found = laid_out(graph)
            for route in found.routes:
                for (x, top), (_, bottom) in zip(route.points[2:-2:2], route.points[3:-2:2], strict=True):
                    for box in found.boxes.values():
                        beside = abs(box.x - x) >= box.width / 2
                        assert beside or box.y + box.height / 2 <= top or box.y - box.height / 2 >= bottom

    def test_the_inputs_of_one_node_land_apart(self) -> None:
        lands = [route.points[-1][0] for route in laid_out(tutorial()).routes if route.target == "mul2"]
        assert len(set(lands)) == 2

    def test_a_chain_with_weights_at_its_side_is_straight(self) -> None:
        found = laid_out(chain(10, own=True))
        spine = {round(box.x, 1) for name, box in found.boxes.items() if name.startswith("mul") and box.row > 1}
        assert len(spine) == 1


class TestSvg:
    @drawn
    def test_every_node_and_edge_appears_once(self, graph: Graph) -> None:
        root = ET.fromstring(to_svg(graph))
        groups = [group.attrib for group in root.iter(f"{SVG}g")]
        assert len([g for g in groups if "data-node" in g]) == len(graph.nodes)
        assert len([g for g in groups if "data-from" in g]) == len(graph.edges)
        if graph is not DRAWN["hostile"]:
            assert {g["data-node"] for g in groups if "data-node" in g} == {node.id for node in graph.nodes}
            shown = [(g["data-from"], g["data-to"], int(g["data-input"])) for g in groups if "data-from" in g]
            assert shown == [(edge.source, edge.target, edge.input) for edge in graph.edges]

    @drawn
    def test_the_same_graph_gives_the_same_picture(self, graph: Graph) -> None:
        again = Graph(tuple(graph.nodes), tuple(graph.edges))
        assert to_svg(graph) == to_svg(again)

    def test_it_says_what_a_teacher_points_at(self) -> None:
        picture = to_svg(tutorial())
        words = [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]
        for word in ("x", "MulBackward0", "[2, 2] · float32", "input (freed)", "[[4.5, 4.5],", "27.", "leaf tensor"):
            assert word in words
        assert "prefers-color-scheme:dark" in picture
        assert 'class="node op freed"' in picture
        assert "x flows into AddBackward0." in picture

    @drawn
    def test_it_is_safe_to_embed(self, graph: Graph) -> None:
        picture = to_svg(graph)
        picture.encode()
        root = ET.fromstring(picture)
        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
            "svg", "title", "desc", "style", "rect", "g", "path", "text",
        }  # fmt: skip
        for element in root.iter():
            assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", picture)
        assert "url(" not in picture
        assert "@import" not in picture
        assert float(root.attrib["viewBox"].split()[2]) == float(root.attrib["width"])

    def test_long_names_are_cut_and_boxes_hold_their_text(self) -> None:
        root = ET.fromstring(to_svg(hostile()))
        assert max(len(text.text or "") for text in root.iter(f"{SVG}text")) < 100
        for group in root.iter(f"{SVG}g"):
            if "data-node" in group.attrib:
                shape = next(iter(group.iter(f"{SVG}rect")), None)
                title = next(text for text in group.iter(f"{SVG}text") if text.attrib["class"] == "title")
                if shape is not None:
                    assert len(title.text or "") * 8.4 <= float(shape.attrib["width"])


class TestSummary:
    def test_a_small_graph_is_left_alone(self) -> None:
        graph = tangle(100)
        assert summarise(graph, 100) is graph

    def test_a_long_chain_shows_its_ends_and_says_how_much_is_between(self) -> None:
        found = summarise(chain(500, shared=True, own=True))
        names = [node.name for node in found.nodes]
        assert "496 more operators, 496 leaves" in names
        assert {"x", "w", "y", "b0", "b1", "b499"} <= set(names)
        assert acyclic(found)

    @pytest.mark.parametrize("room", [8, 9, 20, 57, 300])
    @pytest.mark.parametrize("near", [2, 10, 1_000])
    def test_any_graph_fits_and_stays_without_cycle(self, room: int, near: int) -> None:
        graph = tangle(1_000, near, seed=near)
        found = summarise(graph, room)
        assert len(found.nodes) <= room
        assert acyclic(found)
        counted = [sum(int(n.replace(",", "")) for n in re.findall(r"[\d,]+(?= )", node.name.replace(", ", " + ")))
                   for node in found.nodes if node.kind == "group"]  # fmt: skip
        assert sum(counted) + len(found.nodes) - len(counted) == len(graph.nodes)

    def test_the_picture_says_so(self) -> None:
        picture = to_svg(chain(5_000))
        assert re.search(r"[\d,]+ nodes are folded into 1 stack\.", picture)
        assert "4,996 more operators" in picture

    def test_inputs_of_a_group_have_no_number(self) -> None:
        root = ET.fromstring(to_svg(chain(400, shared=True)))
        numbered = {
            group.attrib["data-to"].startswith("group:")
            for group in root.iter(f"{SVG}g")
            if "data-to" in group.attrib and any(t.attrib["class"] == "input" for t in group.iter(f"{SVG}text"))
        }
        assert numbered == {False}

    def test_no_room_is_refused(self) -> None:
        with pytest.raises(InvalidValueError, match="at least 8"):
            to_svg(tutorial(), max_nodes=7)

    def test_a_group_never_takes_the_id_of_a_node(self) -> None:
        graph = chain(400)
        folded = next(node for node in summarise(graph).nodes if node.kind == "group")
        taken = GraphNode(folded.id, "leaf", "l", None, "l", (), "float32")
        found = summarise(Graph((*graph.nodes, taken), graph.edges))
        assert len({node.id for node in found.nodes}) == len(found.nodes)


class TestTime:
    """Bounds are several times what a laptop needs, so that only a change of order of growth breaks them."""

    def test_100_000_steps_do_not_recurse(self) -> None:
        graph = chain(100_000)
        start = time.perf_counter()
        assert "99,996 more operators" in to_svg(graph)
        assert to_mermaid(graph).count("-->") == len(graph.edges)
        assert to_dot(graph).count(" -> ") == len(graph.edges)
        assert time.perf_counter() - start < 20

    def test_300_nodes(self) -> None:
        graph = tangle(300, near=300)
        start = time.perf_counter()
        to_svg(graph)
        assert time.perf_counter() - start < 4

    def test_50_000_tangled_nodes(self) -> None:
        graph = tangle(50_000, near=50)
        start = time.perf_counter()
        summarise(graph)
        assert time.perf_counter() - start < 6


class TestDot:
    def test_every_node_and_edge_appears_once(self) -> None:
        text = to_dot(tutorial())
        assert len(re.findall(r"^  n\d+ \[", text, re.MULTILINE)) == 6
        assert len(re.findall(r"^  n\d+ -> n\d+", text, re.MULTILINE)) == 6

    @drawn
    def test_graphviz_reads_it(self, graph: Graph) -> None:
        if shutil.which("dot") is None:
            pytest.skip("needs graphviz")
        run = subprocess.run(["dot", "-Tplain"], input=to_dot(graph), capture_output=True, text=True, check=False)
        assert run.returncode == 0
        assert run.stderr == ""
        lines = run.stdout.splitlines()
        assert sum(line.startswith("node ") for line in lines) == len(graph.nodes)
        assert sum(line.startswith("edge ") for line in lines) == len(graph.edges)


class TestMermaid:
    def test_every_node_and_edge_appears_once(self) -> None:
        lines = to_mermaid(tutorial()).splitlines()
        assert lines[0] == "graph TD"
        assert len([line for line in lines if re.match(r"  n\d+[\[({]", line)]) == 6
        assert len([line for line in lines if re.match(r"  n\d+ -->(\|\d\|)? n\d+$", line)]) == 6
        assert "  class n2 freed" in lines

    def test_a_value_of_several_lines_is_called_so_once(self) -> None:
        x = GraphNode("x", "leaf", "x", None, "x", (2, 1), "float32", value="[[1.],\n [2.]]")
        for text in (to_mermaid(Graph((x,), ())), to_dot(Graph((x,), ()))):
            assert text.count("value") == 1
            assert "\u00a0[2.]]" in text

    def test_labels_hold_nothing_that_mermaid_reads_as_its_own(self) -> None:
        for line in to_mermaid(hostile()).splitlines():
            found = re.match(r'  n\d+(?:\(\[|\[\[|\[|\{\{)"(.*)"(?:\]\)|\]\]|\]|\}\}):::\w+$', line)
            if found:
                label = re.sub(r"#\d+;|<br>", "", found[1])
                assert not re.search(r'["<>&#;:`*_\\/{}|%~!?@^]|\]\(', label)
                assert not re.search(r"(^|<br>)[\d.-]", found[1])
