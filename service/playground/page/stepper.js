// A backward walk, node by node, from a trace: what arrived, by which rule, what it produced, what was added to a leaf.

import { h, icon, replace } from "./dom.js";
import { block, brief } from "./values.js";

export class Stepper {
  constructor({ api, view, onclose }) {
    Object.assign(this, { api, view, onclose });
    this.rules = new Map();
    this.place = h("p", { class: "place" });
    this.body = h("div", { class: "step", "aria-live": "polite" });
    const button = (name, label, action) => h("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick: action }, icon(name));
    this.element = h(
      "section",
      { class: "stepper", "aria-label": "Backward, step by step", hidden: true },
      h("h2", { class: "offscreen" }, "Backward, step by step"),
      h(
        "div",
        { class: "stepbar" },
        button("first", "To the beginning", () => this.go(0)),
        (this.backward = button("back", "One step back", () => this.go(this.at - 1))),
        (this.forward = button("forward", "Next step", () => this.go(this.at + 1))),
        button("last", "To the end", () => this.go(this.events.length - 1)),
        this.place,
        button("close", "Close", () => this.close()),
      ),
      this.body,
    );
    this.element.addEventListener("keydown", (event) => {
      const to = { ArrowRight: this.at + 1, ArrowLeft: this.at - 1, Home: 0, End: this.events.length - 1 }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        this.go(to);
      }
      if (event.key === "Escape") this.close();
    });
  }

  get open() {
    return !this.element.hidden;
  }

  start(events, nodes) {
    this.events = events;
    this.cut = nodes > events.length ? ` (the first of ${nodes} nodes)` : "";
    if (!this.open) this.from = document.activeElement;
    this.element.hidden = false;
    this.go(0).then(() => this.view.fit(1, 0.6)); // the graph has less room now
    this.forward.focus({ preventScroll: true });
  }

  close() {
    if (!this.open) return;
    const within = this.element.contains(document.activeElement);
    this.element.hidden = true;
    this.view.unwalk();
    this.view.fit(1, 0.78);
    if (within) this.back();
    this.onclose?.();
  }

  // The keyboard's focus goes back to where the walk was begun; where that is not seen, to the graph.
  back() {
    const seen = this.from?.isConnected && this.from.getClientRects().length > 0;
    (seen ? this.from : this.view.stage.querySelector('[tabindex="0"]'))?.focus({ preventScroll: true });
  }

  async go(to) {
    this.at = Math.max(0, Math.min(this.events.length - 1, to));
    const event = this.events[this.at];
    // Not "disabled": a disabled button would drop the keyboard's focus.
    this.backward.setAttribute("aria-disabled", String(this.at === 0));
    this.forward.setAttribute("aria-disabled", String(this.at === this.events.length - 1));
    const known = this.view.places?.get(event.node)?.node;
    const called = known?.tensor ?? null;
    replace(this.place, `Step ${this.at + 1} of ${this.events.length}${this.cut}`, h("b", null, event.name), called ? h("span", { class: "of" }, called) : null);
    this.show();
    replace(this.body, this.told(event, known, called));
    const rule = event.op ? await this.rule(event.op, event.name) : null;
    if (rule && this.events[this.at] === event) replace(this.body, this.told(event, known, called, rule));
  }

  told(event, known, called, rule) {
    const part = (title, ...content) => h("div", { class: "part" }, h("h3", null, title), content);
    const values = (g) => h("pre", null, g ? block(g) : "none");
    const found = [part("arrives", event.upstream.map(values))];
    if (!known) found.unshift(h("p", { class: "dim unseen" }, "This node is not in the picture: it is one of many that are folded."));
    if (event.accumulated) {
      found.push(part(`accumulates in ${called ?? "the leaf"}.grad`, values(event.accumulated)));
      return found;
    }
    found.push(
      part(
        "local rule",
        h("p", null, rule ? (/^complex/.test(event.upstream.find(Boolean)?.dtype) ? rule : rule.replace(/conj\(([^()]*)\)/g, "$1")) : `the derivative of ${event.op ?? event.name}`),
        event.saved.length ? h("p", { class: "dim" }, `with what was saved: ${event.saved.join(", ")}`) : null,
      ),
    );
    const sent = event.produced.filter((p) => p.gradient && p.to);
    found.push(
      part(
        sent.length === 1 ? "sends on" : `sends on, ${sent.length} ways`,
        sent.map((p) => {
          const input = event.produced.filter((q) => q.to === p.to).length > 1 ? `, input ${event.produced.indexOf(p)}` : "";
          const target = this.view.places?.get(p.to)?.node;
          return h("div", { class: "sent" }, h("span", { class: "to" }, `to ${target ? (target.tensor ?? target.name) : p.to}${input}`), values(p.gradient));
        }),
      ),
    );
    return found;
  }

  show() {
    const done = new Set(this.events.slice(0, this.at).map((e) => e.node));
    const gradients = [];
    for (const event of this.events.slice(0, this.at + 1)) {
      event.produced.forEach((p, input) => {
        if (p.gradient && p.to) gradients.push([p.to, event.node, input, brief(p.gradient)]);
      });
    }
    this.view.walk({ current: this.events[this.at].node, done, gradients });
  }

  // The rule in words: what the operator's own page says after "Gradient:".
  async rule(op, name) {
    if (!this.rules.has(name)) {
      this.rules.set(
        name,
        this.api
          .request("GET", `/v1/ops/${encodeURIComponent(op)}`, undefined, { quiet: true })
          .then((found) => {
            const meant = found.overloads.filter((o) => o.grad_fn === name);
            const doc = (meant.length ? meant : found.overloads).map((o) => o.doc).join("\n\n");
            return /Gradients?:\s*(.+?)(?:\.\s|\.$|\n\n|$)/s.exec(doc)?.[1].replace(/\s+/g, " ") ?? null;
          })
          .catch(() => null),
      );
    }
    return this.rules.get(name);
  }
}
