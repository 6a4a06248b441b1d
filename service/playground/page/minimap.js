// The whole graph in a corner, where it is larger than its frame: where one is, and a way to go elsewhere. For the pointer; the keyboard
// goes from node to node.

import { h, replace, s } from "./dom.js";

const WIDE = 150;
const HIGH = 110;

export class Minimap {
  constructor(stage) {
    this.stage = stage;
    this.element = h("div", { class: "minimap", "aria-hidden": "true", hidden: true });
    const go = (event) => {
      if (!(event.buttons & 1)) return;
      event.preventDefault();
      const at = this.element.firstChild.getBoundingClientRect();
      const graph = this.stage.firstChild.getBoundingClientRect();
      const frame = this.stage.getBoundingClientRect();
      this.stage.scrollBy(
        graph.left + ((event.clientX - at.left) / at.width) * graph.width - frame.left - frame.width / 2,
        graph.top + ((event.clientY - at.top) / at.height) * graph.height - frame.top - frame.height / 2,
      );
    };
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      go(event);
    });
    this.element.addEventListener("pointermove", go);
    stage.addEventListener("scroll", () => this.follow());
  }

  draw(size, places) {
    this.size = size;
    const scale = Math.min(WIDE / size.width, HIGH / size.height);
    this.frame = s("rect", { class: "frame", rx: 2 });
    replace(
      this.element,
      s(
        "svg",
        { width: Math.ceil(size.width * scale), height: Math.ceil(size.height * scale), viewBox: `0 0 ${size.width} ${size.height}` },
        [...places.values()].map(({ node, box: { x, y, width, height } }) => s("rect", { class: node.freed ? "freed" : node.kind, x: x - width / 2 + size.margin, y: y - height / 2 + size.margin, width, height, rx: 4 })),
        this.frame,
      ),
    );
    this.scale = scale;
    this.follow();
  }

  // Where the frame of the graph is now.
  follow() {
    if (!this.frame) return;
    const frame = this.stage.getBoundingClientRect();
    const graph = this.stage.firstChild.getBoundingClientRect();
    const over = graph.width > frame.width || graph.height > 1.6 * frame.height;
    this.element.hidden = !over || frame.height < 260 || frame.width < 300;
    this.stage.classList.toggle("mapped", !this.element.hidden);
    if (this.element.hidden) return;
    const zoom = graph.width / this.size.width;
    const shown = { x: (frame.left - graph.left) / zoom, y: (frame.top - graph.top) / zoom, width: frame.width / zoom, height: frame.height / zoom, "stroke-width": 1.5 / this.scale };
    for (const [name, value] of Object.entries(shown)) this.frame.setAttribute(name, value);
  }

  clear() {
    this.frame = null;
    this.element.hidden = true;
  }
}
