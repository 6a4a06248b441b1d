// A code editor: the browser's own textarea (so undo, touch, spelling of screen readers and input methods work), over the same text in
// colours. Tab indents, Escape and then Tab leaves, Enter keeps the indentation, Ctrl+/ comments, Shift+Enter runs.

import { h, replace } from "./dom.js";
import { indentAfter, pieces } from "./python.js";

export class Editor {
  constructor(text, { label, onrun, onchange }) {
    this.errorLine = 0;
    this.leaving = false;
    this.lines = h("div", { class: "lines", "aria-hidden": "true" });
    this.colours = h("pre", { class: "colours", "aria-hidden": "true" });
    this.area = h("textarea", {
      class: "code",
      rows: 1,
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      autocorrect: "off",
      wrap: "off",
      "aria-label": label,
      "aria-describedby": "editor-keys",
      value: text,
    });
    this.element = h("div", { class: "editor" }, this.lines, h("div", { class: "sheet" }, this.colours, this.area));
    this.area.addEventListener("input", () => {
      this.errorLine = 0;
      this.draw();
      onchange?.();
    });
    this.area.addEventListener("keydown", (event) => this.key(event, onrun));
    this.area.addEventListener("blur", () => (this.leaving = false));
    this.draw();
  }

  get text() {
    return this.area.value;
  }

  set text(value) {
    this.area.value = value;
    this.draw();
  }

  focus() {
    this.area.focus({ preventScroll: false });
  }

  mark(line) {
    this.errorLine = line;
    this.draw();
  }

  draw() {
    const text = this.area.value;
    const count = text.split("\n").length;
    this.area.rows = count;
    replace(this.colours, pieces(text).map(([kind, piece]) => (kind === "plain" ? piece : h("span", { class: `t-${kind}` }, piece))), "\n");
    replace(
      this.lines,
      Array.from({ length: count }, (_, i) => h("span", i + 1 === this.errorLine ? { class: "wrong" } : null, String(i + 1))),
    );
    this.element.classList.toggle("has-error", this.errorLine > 0);
    this.element.style.setProperty("--error-line", this.errorLine - 1);
  }

  insert(text) {
    // The only way to change a textarea that its undo remembers.
    if (!document.execCommand("insertText", false, text)) {
      this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
      this.area.dispatchEvent(new Event("input"));
    }
  }

  key(event, onrun) {
    const area = this.area;
    const { selectionStart: start, selectionEnd: end, value } = area;
    if (event.key === "Escape") {
      this.leaving = true;
      return;
    }
    if (event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onrun?.({ advance: event.shiftKey });
    } else if (event.key === "Enter" && !event.altKey && !event.isComposing) {
      event.preventDefault();
      const line = value.slice(value.lastIndexOf("\n", start - 1) + 1, start);
      this.insert("\n" + indentAfter(line));
    } else if (event.key === "Tab" && !this.leaving && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      if (start === end && !event.shiftKey) this.insert("    ");
      else this.eachLine((line) => (event.shiftKey ? line.replace(/^ {1,4}|^\t/, "") : line && "    " + line));
    } else if (event.key === "/" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      const chosen = this.chosen().text.split("\n").filter((line) => line.trim());
      const all = chosen.length > 0 && chosen.every((line) => /^\s*#/.test(line));
      this.eachLine((line) => (all ? line.replace(/^(\s*)# ?/, "$1") : line.trim() ? line.replace(/^(\s*)/, "$1# ") : line));
    } else if (event.key === "Backspace" && start === end) {
      const line = value.slice(value.lastIndexOf("\n", start - 1) + 1, start);
      if (line && /^ +$/.test(line) && line.length % 4 === 0) {
        event.preventDefault();
        area.setSelectionRange(start - 4, start);
        this.insert("");
        document.execCommand("delete");
      }
    }
    if (event.key !== "Tab") this.leaving = false;
  }

  chosen() {
    const { selectionStart: start, selectionEnd: end, value } = this.area;
    const from = value.lastIndexOf("\n", start - 1) + 1;
    const found = value.indexOf("\n", end > start && value[end - 1] === "\n" ? end - 1 : end);
    const to = found < 0 ? value.length : found;
    return { from, to, text: value.slice(from, to) };
  }

  eachLine(change) {
    const { from, to, text } = this.chosen();
    const changed = text.split("\n").map(change).join("\n");
    if (changed === text) return;
    this.area.setSelectionRange(from, to);
    this.insert(changed);
    this.area.setSelectionRange(from, from + changed.length);
  }
}
