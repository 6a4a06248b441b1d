// The graph: nodes measured here, placed by Graphviz in a worker, drawn as SVG here.

import { h, replace, s } from "./dom.js";
import { Layout } from "./layout.js";
import { Minimap } from "./minimap.js";

const TITLE = 13;
const SMALL = 11;
const TYPE = 9.5;
const PAD = 12;
const MARGIN = 14;
const READABLE = 0.75; // of the full size: no smaller, unless one asks
export const MOST_NODES = 240; // of a picture; more are folded into groups by the service

export const shapeText = (shape) => (shape.length ? `[${shape.join(", ")}]` : "scalar");

function short(text, most) {
  if (text.length <= most) return text;
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}

// How wide a text is in the fonts that draw it: not every writing has letters of one width.
const pen = document.createElement("canvas").getContext("2d");
function wide(text, size, weight = 400) {
  pen.font = `${weight} ${size}px "IBM Plex Mono", ui-monospace, Menlo, Consolas, monospace`;
  return pen.measureText(text).width;
}

const fonts = () => Promise.all([400, 600].map((weight) => document.fonts.load(`${weight} ${TITLE}px "IBM Plex Mono"`))).catch(() => {});

// A printed value on one line, without the zeros that align it.
const oneLine = (text) =>
  text
    .replace(/(\d\.\d*?)0+(?![\d])/g, "$1")
    .replace(/\s+/g, " ")
    .replaceAll("[ ", "[");

// What stands in a node's box: [class, text] by line.
function lines(node) {
  const found = [["title", short(node.name, 30)]];
  if (node.kind === "group") {
    for (const row of (node.value ?? "").split("\n").filter(Boolean)) found.push(["small", short(row, 34)]);
    return found;
  }
  if (node.kind === "unrecorded") found[0][1] = short(`${node.tensor} = ${node.op}`, 30);
  else if (node.tensor && node.tensor !== node.name) found.push(["tensor", short(node.tensor, 30)]);
  if (node.kind === "leaf" || node.kind === "output") {
    if (node.value) found.push(["small", short(oneLine(node.value), 30)]);
    else found.push(["small", shapeText(node.shape)]);
  }
  if (node.saved.length) found.push([node.freed ? "small gone" : "small saved", short(`${node.freed ? "freed" : "saves"} ${node.saved.join(", ")}`, 30)]);
  if (node.grad) found.push(["small grad", short(`grad ${oneLine(node.grad)}`, 32)]);
  return found;
}

function size(rows) {
  const width = Math.max(...rows.map(([kind, text]) => wide(text, kind === "title" ? TITLE : SMALL, 600)));
  return { width: Math.ceil(Math.max(64, width + 2 * PAD)), height: 12 + 17 + (rows.length - 1) * 14.5 };
}

// The part of a graph that a walk saw, from its trace: for what no name leads to any more. What is known of a node is kept.
export function walked(trace, graph) {
  const known = new Map((graph?.nodes ?? []).map((node) => [node.id, node]));
  const nodes = trace.map((event) => {
    const { shape, dtype } = event.upstream.find(Boolean) ?? { shape: [], dtype: "" };
    const kind = event.op === null && event.accumulated ? "leaf" : "op";
    const own = { id: event.node, kind, name: event.name, op: event.op, tensor: null, shape, dtype, saved: event.saved, freed: false, value: null, grad: null };
    return known.get(event.node) ?? own;
  });
  const present = new Set(nodes.map((node) => node.id));
  const edges = trace.flatMap((event) => event.produced.map((p, input) => ({ from: p.to, to: event.node, input })));
  return { nodes, edges: edges.filter((edge) => present.has(edge.from)) };
}

const edgeText = (node) => (node.kind === "group" ? "" : `${shapeText(node.shape)} ${node.dtype}`);

const n = (value) => String(Math.round(value * 10) / 10);

function pathOf(points) {
  const [first, ...rest] = points;
  let d = `M${n(first[0])} ${n(first[1])}`;
  for (let i = 0; i + 2 < rest.length; i += 3) d += `C${rest.slice(i, i + 3).map(([x, y]) => `${n(x)} ${n(y)}`).join(" ")}`;
  return d;
}

export class GraphView {
  constructor({ onopen, onroot }) {
    this.layout = new Layout();
    this.zoom = 1;
    this.turn = 0;
    this.graph = null;
    this.onopen = onopen;
    this.stage = h("div", { class: "stage", role: "group", "aria-label": "Computation graph. Arrow keys go from node to node." });
    this.card = h("div", { class: "card", role: "status", hidden: true });
    this.root = h("select", { id: "root", "aria-label": "Graph of", onchange: () => onroot(this.root.value) });
    this.legend = h("div", { class: "legend" });
    this.map = new Minimap(this.stage);
    this.hold = h("div", { class: "hold" }, this.stage, this.map.element, this.card);
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("scroll", () => this.hide());
    this.stage.addEventListener("pointerover", (event) => this.point(event.target.closest?.(".node")));
    this.stage.addEventListener("pointerleave", () => this.hide());
    this.stage.addEventListener("focusin", (event) => this.point(event.target.closest?.(".node")));
    this.stage.addEventListener("focusout", () => this.hide());
    this.stage.addEventListener("click", (event) => {
      const found = event.target.closest?.(".node");
      if (found) this.point(found);
      else this.hide();
    });
    this.stage.addEventListener("pointerdown", (event) => this.pan(event));
    this.stage.addEventListener("dblclick", (event) => this.open(event.target.closest?.(".node")));
  }

  async show(graph, roots, chosen) {
    const turn = ++this.turn;
    this.rooted(roots, chosen);
    if (graph.nodes.length === 0) {
      this.graph = graph;
      replace(this.stage, h("p", { class: "empty" }, "No graph yet. Run a cell that computes with a tensor that requires grad."));
      replace(this.legend);
      this.map.clear();
      return;
    }
    await fonts();
    const rows = graph.nodes.map(lines);
    const boxes = rows.map(size);
    const byId = new Map(graph.nodes.map((node) => [node.id, node]));
    const labels = graph.edges.map((edge) => (graph.edges.length < 160 ? Math.ceil(wide(edgeText(byId.get(edge.from)), TYPE)) : 0)).map((width) => (width ? width + 8 : 0));
    const placed = await this.layout.place(graph, boxes, labels, this.stage.clientWidth / READABLE - 2 * MARGIN);
    if (turn !== this.turn) return;
    this.graph = graph;
    this.draw(graph, rows, boxes, placed);
  }

  rooted(roots, chosen) {
    replace(
      this.root,
      h("option", { value: "" }, "everything named"),
      roots.map((name) => h("option", { value: name, selected: name === chosen }, name)),
    );
  }

  draw(graph, rows, boxes, placed) {
    this.size = { width: placed.width + 2 * MARGIN, height: placed.height + 2 * MARGIN, margin: MARGIN };
    this.places = new Map();
    this.edges = new Map();
    const byId = new Map(graph.nodes.map((node) => [node.id, node]));
    const drawnNodes = graph.nodes.map((node, i) => {
      const [x, y] = placed.nodes[i];
      const box = { x, y, ...boxes[i] };
      const element = this.node(node, rows[i], box);
      this.places.set(node.id, { node, box, element });
      return element;
    });
    const drawnEdges = graph.edges.map((edge, k) => {
      const { points, label } = placed.edges[k];
      const source = byId.get(edge.from);
      const target = byId.get(edge.to);
      const end = points.at(-1);
      const before = points.at(-2);
      const angle = (Math.atan2(end[1] - before[1], end[0] - before[0]) * 180) / Math.PI;
      const text = label && s("text", { class: "type", x: n(label[0]), y: n(label[1] + 3.2) }, edgeText(source));
      const element = s(
        "g",
        { class: `edge${source.kind === "unrecorded" || target.kind === "unrecorded" ? " unrecorded" : ""}`, "data-from": edge.from, "data-to": edge.to, "data-input": edge.input },
        s("path", { class: "line", d: pathOf(points) }),
        s("path", { class: "head", d: "M0 0L-7 -3.4L-7 3.4z", transform: `translate(${n(end[0])} ${n(end[1])}) rotate(${n(angle)})` }),
        text,
      );
      this.edges.set(`${edge.from} ${edge.to} ${edge.input}`, { element, text, plain: text?.textContent, x: end[0] });
      return element;
    });
    this.svg = s(
      "svg",
      { class: "graph", viewBox: `${-MARGIN} ${-MARGIN} ${this.size.width} ${this.size.height}`, role: "group", "aria-label": `Computation graph: ${graph.nodes.length} nodes` },
      s("g", { class: "edges" }, drawnEdges),
      s("g", { class: "nodes" }, drawnNodes),
    );
    replace(this.stage, this.svg);
    drawnNodes[0]?.setAttribute("tabindex", "0");
    this.map.draw(this.size, this.places);
    this.fit(1, 0.78);
    this.explain(graph);
    const { x } = this.places.get(graph.nodes[0].id).box;
    this.stage.scrollTo((x + MARGIN) * this.zoom - this.stage.clientWidth / 2, 0);
  }

  node(node, rows, { x, y, width, height }) {
    const left = x - width / 2;
    const top = y - height / 2;
    const rect = (inset, rx, kind) =>
      s("rect", { class: kind, x: n(left + inset), y: n(top + inset), width: n(width - 2 * inset), height: n(height - 2 * inset), rx });
    const parts = [];
    if (node.kind === "group") parts.push(s("rect", { class: "shape", x: n(left + 4), y: n(top + 4), width: n(width), height: n(height), rx: 5 }));
    parts.push(rect(0, node.kind === "leaf" ? Math.min(18, height / 2) : node.kind === "op" ? 5 : 3, "shape"));
    if (node.kind === "output") parts.push(rect(3, 1.5, "inner"));
    let line = top + 6;
    rows.forEach(([kind, text], i) => {
      line += i === 0 ? 16 : 14.5;
      parts.push(s("text", { class: kind, x: n(x), y: n(line - 1.5) }, text), " "); // a space for those who hear it
    });
    // What stands in the box, and what its colour says.
    const told = [rows.map(([, text]) => text).join(" "), node.kind === "op" ? "operator" : node.kind, node.kind === "group" ? "" : `${shapeText(node.shape)} ${node.dtype}`];
    return s(
      "g",
      { class: `node ${node.kind}${node.freed ? " freed" : ""}`, "data-node": node.id, tabindex: "-1", role: "button", "aria-label": told.filter(Boolean).join(", ") },
      parts,
    );
  }

  explain(graph) {
    const words = { leaf: "leaf", op: "operator", output: "output", unrecorded: "not recorded", group: "several, folded" };
    const kinds = new Set(graph.nodes.map((node) => node.kind));
    const entries = Object.entries(words).filter(([kind]) => kinds.has(kind));
    if (graph.nodes.some((node) => node.freed)) entries.push(["freed", "saved values freed"]);
    replace(this.legend, entries.map(([kind, word]) => h("span", { class: `key ${kind}` }, h("i", null), word)));
  }

  // As large as the width allows; smaller, where that shows the whole height and can still be read.
  fit(most, whole) {
    if (!this.size) return;
    const wide = (this.stage.clientWidth - 10) / this.size.width;
    const high = (this.stage.clientHeight - 10) / this.size.height;
    this.zoom = wide > 0 ? Math.min(most, Math.max(READABLE, Math.min(wide, Math.max(high, whole)))) : 1;
    this.scale();
  }

  // So that all of it is seen, however small.
  whole() {
    if (!this.size) return;
    const wide = (this.stage.clientWidth - 10) / this.size.width;
    const high = (this.stage.clientHeight - 10) / this.size.height;
    this.zoom = Math.min(1.6, Math.max(0.01, Math.min(wide, high)));
    this.scale();
    this.stage.scrollTo(0, 0);
  }

  scale() {
    this.svg.setAttribute("width", n(this.size.width * this.zoom));
    this.svg.setAttribute("height", n(this.size.height * this.zoom));
    this.map.follow();
  }

  zoomed(factor) {
    if (!this.svg) return;
    this.zoom = Math.min(3, Math.max(Math.min(0.2, this.zoom), this.zoom * factor));
    this.scale();
  }

  // -- the card of a node ---------------------------------------------------------------------------------------------

  point(element) {
    if (!element) return;
    const { node } = this.places.get(element.dataset.node);
    const row = (key, value, kind) => (value ? [h("dt", null, key), h("dd", { class: kind }, value)] : []);
    const kinds = { leaf: "leaf tensor", op: "recorded operator", output: "output", unrecorded: "not recorded", group: "folded nodes" };
    replace(
      this.card,
      h("strong", null, node.name),
      h("dl", null, [
        row("kind", kinds[node.kind]),
        row("operator", node.kind === "op" ? node.op : null),
        row("tensor", node.tensor !== node.name ? node.tensor : null),
        node.kind === "group" ? row("holds", node.value) : row("type", `${shapeText(node.shape)} ${node.dtype}`),
        row("value", node.kind === "group" ? null : (node.value ?? (node.tensor ? "larger: see Tensors" : "kept by no name"))),
        row("grad", node.grad, "grad"),
        row(node.freed ? "freed" : "saves", node.saved.join(", ")),
      ]),
    );
    this.card.hidden = false;
    const at = element.getBoundingClientRect();
    const hold = this.hold.getBoundingClientRect();
    const own = this.card.getBoundingClientRect();
    const below = at.bottom - hold.top + 6;
    const top = below + own.height > hold.height ? at.top - hold.top - own.height - 6 : below;
    this.card.style.top = `${Math.max(4, Math.min(top, hold.height - own.height - 4))}px`;
    this.card.style.left = `${Math.max(4, Math.min(at.left - hold.left, hold.width - own.width - 4))}px`;
  }

  hide() {
    this.card.hidden = true;
  }

  // The mouse takes hold of the picture and moves it; touch does so by itself.
  pan(event) {
    const bars = this.stage.getBoundingClientRect();
    const onBar = event.clientX > bars.left + this.stage.clientWidth || event.clientY > bars.top + this.stage.clientHeight;
    if (event.pointerType !== "mouse" || event.button !== 0 || onBar) return;
    const { scrollLeft, scrollTop } = this.stage;
    const move = (to) => this.stage.scrollTo(scrollLeft + event.clientX - to.clientX, scrollTop + event.clientY - to.clientY);
    const ended = new AbortController();
    this.stage.classList.add("panned");
    addEventListener("pointermove", move, { signal: ended.signal });
    for (const end of ["pointerup", "pointercancel", "blur"]) {
      addEventListener(
        end,
        () => {
          ended.abort();
          this.stage.classList.remove("panned");
        },
        { signal: ended.signal },
      );
    }
  }

  open(element) {
    const found = element && this.places.get(element.dataset.node);
    if (found?.node.tensor) this.onopen(found.node.tensor);
  }

  key(event) {
    const current = event.target.closest?.(".node");
    if (!current) return;
    if (event.key === "Enter") return this.open(current);
    if (event.key === "Escape") return this.hide();
    const step = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = this.places.get(current.dataset.node).box;
    let best = null;
    for (const { box, element } of this.places.values()) {
      const along = (box.x - from.x) * step[0] + (box.y - from.y) * step[1];
      const across = Math.abs((box.x - from.x) * step[1]) + Math.abs((box.y - from.y) * step[0]);
      const cost = along + 2 * across;
      if (along > 4 && (!best || cost < best.cost)) best = { element, cost };
    }
    if (!best) return;
    current.setAttribute("tabindex", "-1");
    best.element.setAttribute("tabindex", "0");
    best.element.focus();
  }

  // -- the walk back --------------------------------------------------------------------------------------------------

  // done: nodes that were passed; current: the node of the step; gradients: [from, to, input, text] of edges that carry one.
  walk({ current, done, gradients }) {
    if (!this.places) return;
    this.svg.querySelector(".nodes").classList.toggle("walking", current !== null);
    for (const [id, { element }] of this.places) {
      element.classList.toggle("current", id === current);
      element.classList.toggle("passed", done.has(id));
    }
    for (const edge of this.edges.values()) {
      edge.element.classList.remove("carries");
      if (edge.text) edge.text.textContent = edge.plain;
    }
    for (const [from, to, input, text] of gradients) {
      const edge = this.edges.get(`${from} ${to} ${input}`);
      if (!edge) continue;
      edge.element.classList.add("carries");
      if (edge.text) edge.text.textContent = text;
    }
    const found = current && this.places.get(current)?.element;
    if (found) {
      const at = found.getBoundingClientRect();
      const stage = this.stage.getBoundingClientRect();
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const away = { top: at.top < stage.top + 8 || at.bottom > stage.bottom - 8, left: at.left < stage.left + 8 || at.right > stage.right - 8 };
      if (away.top || away.left) {
        this.stage.scrollBy({
          top: away.top ? at.top - stage.top - stage.height / 2.6 : 0,
          left: away.left ? at.left - stage.left - (stage.width - at.width) / 2 : 0,
          behavior: calm ? "auto" : "smooth",
        });
      }
    }
  }

  unwalk() {
    this.walk({ current: null, done: new Set(), gradients: [] });
  }

  // The picture as a file that stands alone: what the style sheet says is written into it.
  file() {
    if (!this.svg) return null;
    const copied = this.svg.cloneNode(true);
    const wanted = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-weight", "text-anchor", "opacity"];
    const originals = this.svg.querySelectorAll("*");
    copied.querySelectorAll("*").forEach((element, i) => {
      const style = getComputedStyle(originals[i]);
      for (const name of wanted) {
        const value = style.getPropertyValue(name);
        if (value && (element.tagName === "text" || !name.startsWith("font"))) element.setAttribute(name, value);
      }
      element.removeAttribute("tabindex");
      element.removeAttribute("role");
    });
    copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copied.setAttribute("role", "img");
    const [x, y, width, height] = copied.getAttribute("viewBox").split(" ");
    copied.setAttribute("width", width);
    copied.setAttribute("height", height);
    copied.prepend(s("rect", { x, y, width, height, fill: getComputedStyle(document.body).backgroundColor }));
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copied)}\n`;
  }
}
