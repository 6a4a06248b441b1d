// Where boxes and arrows go: Graphviz in a worker, for each connected part of a graph; then the parts, in rows.

const GAP = 34; // between parts

// The worker cannot run here, as without WebAssembly.
export class NoLayout extends Error {}

// The parts of a graph that nothing joins: of each the places of its nodes and of its edges in the graph's lists, in their order.
function parts(graph) {
  const index = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const above = graph.nodes.map((_, i) => i);
  const top = (i) => {
    while (above[i] !== i) i = above[i] = above[above[i]];
    return i;
  };
  for (const edge of graph.edges) {
    const [a, b] = [top(index.get(edge.from)), top(index.get(edge.to))];
    above[Math.max(a, b)] = Math.min(a, b);
  }
  const found = new Map();
  const part = (i) => {
    if (!found.has(i)) found.set(i, { nodes: [], edges: [] });
    return found.get(i);
  };
  graph.nodes.forEach((_, i) => part(top(i)).nodes.push(i));
  graph.edges.forEach((edge, k) => part(top(index.get(edge.from))).edges.push([k, index.get(edge.from), index.get(edge.to)]));
  return [...found.values()];
}

function dotOf({ nodes, edges }, boxes, labels) {
  const out = ['digraph { rankdir=TB; nodesep=0.28; ranksep=0.34; node [shape=box, fixedsize=true, label=""]; edge [arrowhead=none];'];
  for (const i of nodes) out.push(`n${i} [width=${(boxes[i].width / 72).toFixed(3)}, height=${(boxes[i].height / 72).toFixed(3)}];`);
  for (const [k, from, to] of edges) {
    const label = labels[k] ? `label=<<TABLE BORDER="0" CELLPADDING="0" FIXEDSIZE="TRUE" WIDTH="${labels[k]}" HEIGHT="13"><TR><TD></TD></TR></TABLE>>` : "";
    out.push(`n${from} -> n${to} [comment="${k}" ${label}];`);
  }
  return `${out.join("\n")}}`;
}

// "e,x,y x,y …" or "s,x,y …" → points, y downwards.
function spline(text, place) {
  let tip = null;
  const points = [];
  for (const piece of text.split(" ")) {
    const numbers = piece.split(",");
    if (numbers[0] === "e") tip = place(Number(numbers[1]), Number(numbers[2]));
    else if (numbers[0] !== "s") points.push(place(Number(numbers[0]), Number(numbers[1])));
  }
  if (tip) points.push(tip);
  return points;
}

export class Layout {
  constructor() {
    this.waiting = new Map();
    this.next = 0;
    this.worker = new Worker("/playground/layout-worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => {
      const { done, failed } = this.waiting.get(data.id) ?? {};
      this.waiting.delete(data.id);
      if (data.error) failed?.(new NoLayout(data.error));
      else done?.(data.layouts.map((layout) => JSON.parse(layout)));
    };
    this.worker.onerror = () => {
      this.dead = true;
      for (const { failed } of this.waiting.values()) failed(new NoLayout("the layout's worker does not run"));
      this.waiting.clear();
    };
  }

  ask(dots) {
    if (this.dead) return Promise.reject(new NoLayout("the layout's worker does not run"));
    const id = this.next++;
    return new Promise((done, failed) => {
      this.waiting.set(id, { done, failed });
      this.worker.postMessage({ id, dots });
    });
  }

  // boxes: {width, height} by node; labels: the width of what stands on each edge, or 0; wide: where a row of parts ends.
  // → {width, height, nodes: [[x, y] of the middle], edges: [{points, label: [x, y] or null}]}, as the graph's lists are.
  async place(graph, boxes, labels, wide) {
    const found = parts(graph);
    const layouts = await this.ask(found.map((part) => dotOf(part, boxes, labels)));
    const sizes = layouts.map(({ bb }) => bb.split(",").slice(2).map(Number));
    const shelf = Math.max(wide, ...sizes.map(([width]) => width));
    const placed = { width: 0, height: 0, nodes: [], edges: [] };
    let [x, y, high] = [0, 0, 0];
    layouts.forEach((layout, p) => {
      const [width, height] = sizes[p];
      if (x > 0 && x + width > shelf) [x, y, high] = [0, y + high + GAP, 0];
      const [left, top] = [x, y];
      const place = (px, py) => [left + px, top + height - py];
      for (const box of layout.objects ?? []) placed.nodes[Number(box.name.slice(1))] = place(...box.pos.split(",").map(Number));
      for (const arrow of layout.edges ?? []) {
        placed.edges[Number(arrow.comment)] = { points: spline(arrow.pos, place), label: arrow.lp ? place(...arrow.lp.split(",").map(Number)) : null };
      }
      placed.width = Math.max(placed.width, x + width);
      placed.height = Math.max(placed.height, y + height);
      high = Math.max(high, height);
      x += width + GAP;
    });
    return placed;
  }
}
