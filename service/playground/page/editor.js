// A code editor: CodeMirror, with what a notebook of PyTorch's text wants of it. Tab indents, Escape and then Tab leaves, Enter indents as
// Python is indented, Ctrl+/ comments, Ctrl+Space completes, Shift+Enter runs.

import { completions } from "./completion.js";
import { h } from "./dom.js";
import {
  acceptCompletion,
  autocompletion,
  bracketMatching,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  completionStatus,
  Decoration,
  defaultKeymap,
  EditorState,
  EditorView,
  GutterMarker,
  gutterLineClass,
  history,
  historyKeymap,
  indentLess,
  indentMore,
  indentOnInput,
  indentService,
  indentUnit,
  keymap,
  LanguageSupport,
  lineNumbers,
  MatchDecorator,
  moveCompletionSelection,
  pythonLanguage,
  RangeSet,
  selectedCompletion,
  StateEffect,
  StateField,
  syntaxHighlighting,
  tagHighlighter,
  tags,
  ViewPlugin,
} from "/playground/vendor/codemirror.js";

const UNIT = 4;

// -- colours, as classes of the style sheet ---------------------------------------------------------------------------

const colours = tagHighlighter([
  { tag: tags.comment, class: "t-comment" },
  { tag: [tags.string, tags.special(tags.string)], class: "t-string" },
  { tag: [tags.number, tags.bool, tags.null], class: "t-number" },
  { tag: [tags.keyword, tags.self], class: "t-keyword" },
  { tag: [tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)], class: "t-defined" },
  { tag: tags.operator, class: "t-operator" },
]);

// Lines that speak to the page.
const directives = new MatchDecorator({ regexp: /^#:.*$/gm, decoration: Decoration.mark({ class: "t-directive" }) });
const speaking = ViewPlugin.define(
  (view) => ({
    marks: directives.createDeco(view),
    update(update) {
      this.marks = directives.updateDeco(update, this.marks);
    },
  }),
  { decorations: (plugin) => plugin.marks },
);

// -- where an error is: its line, and from its column on; until the text is changed -------------------------------------

const setError = StateEffect.define();
const wrongLine = Decoration.line({ class: "wrong-line" });
const wrongText = Decoration.mark({ class: "wrong-text" });
const wrongNumber = new (class extends GutterMarker {
  elementClass = "wrong-number";
})();

function marks(state, { line, column, told }) {
  const found = state.doc.line(Math.min(line, state.doc.lines));
  const begin = column > 0 && column <= found.length ? found.from + [...found.text].slice(0, column - 1).join("").length : found.to;
  const text = begin < found.to ? [wrongText.range(begin, found.to)] : [];
  return { lines: Decoration.set([wrongLine.range(found.from), ...text]), numbers: RangeSet.of([wrongNumber.range(found.from)]), told };
}

const NONE = { lines: Decoration.none, numbers: RangeSet.empty, told: null };
const errors = StateField.define({
  create: () => NONE,
  update(value, transaction) {
    if (transaction.docChanged) value = NONE;
    for (const effect of transaction.effects) if (effect.is(setError)) value = effect.value ? marks(transaction.state, effect.value) : NONE;
    return value;
  },
  provide: (field) => [
    EditorView.decorations.from(field, (value) => value.lines),
    gutterLineClass.from(field, (value) => value.numbers),
    EditorView.editorAttributes.from(field, ({ told }) => (told ? { class: "has-error" } : {})),
    EditorView.contentAttributes.from(field, ({ told }) => (told ? { "aria-invalid": "true", "aria-errormessage": told } : {})),
  ],
});

// -- keys ---------------------------------------------------------------------------------------------------------------

// After a line that leaves its block, the next one stands outside of it.
const afterLeaving = indentService.of((context, at) => {
  const { text, from } = context.lineAt(at, -1);
  const before = from === at ? context.state.doc.lineAt(Math.max(0, at - 1)).text : text;
  if (!/^\s+(return|pass|break|continue|raise)\b/.test(before) || /[([{,\\]\s*$/.test(before)) return undefined;
  return Math.max(0, /^\s*/.exec(before)[0].length - UNIT);
});

// The first offer, where none was chosen; else four columns.
function tab(view) {
  if (completionStatus(view.state) === "active") {
    if (!selectedCompletion(view.state)) moveCompletionSelection(true)(view);
    if (acceptCompletion(view)) return true;
  }
  const { main } = view.state.selection;
  if (!main.empty) return indentMore(view);
  const column = main.head - view.state.doc.lineAt(main.head).from;
  view.dispatch(view.state.replaceSelection(" ".repeat(UNIT - (column % UNIT))), { userEvent: "input", scrollIntoView: true });
  return true;
}

// What is typed over a selection. Left to itself the browser keeps the look of the old text by an inline style, which the page's policy refuses.
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main;
    if (event.inputType !== "insertText" || typeof event.data !== "string" || empty || view.composing) return false;
    const insert = () => view.state.update(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, event.data, insert))) view.dispatch(insert());
    return true;
  },
});

const MODIFIERS = new Set(["Alt", "AltGraph", "CapsLock", "Control", "Meta", "Shift"]);

// Escape gives Tab back to the page, until another key is pressed.
const leaving = EditorView.domEventHandlers({
  keydown(event, view) {
    if (event.key === "Escape") view.setTabFocusMode(true);
    else if (event.key !== "Tab" && !MODIFIERS.has(event.key)) view.setTabFocusMode(false);
  },
  blur: (_, view) => view.setTabFocusMode(false),
});

export class Editor {
  constructor(text, { label, onrun, onchange, names }) {
    const runs = (advance) => () => {
      onrun?.({ advance });
      return true;
    };
    const attributes = { class: "code", "aria-label": label, "aria-describedby": "editor-keys", spellcheck: "false", tabindex: "0", autocapitalize: "off", autocorrect: "off", autocomplete: "off" };
    this.element = h("div", { class: "editor" });
    this.view = new EditorView({
      parent: this.element,
      state: EditorState.create({
        doc: text,
        extensions: [
          keymap.of([
            { key: "Shift-Enter", run: runs(true) },
            { key: "Mod-Enter", run: runs(false) },
            { key: "Ctrl-Enter", run: runs(false) },
            { key: "Tab", run: tab, shift: indentLess },
          ]),
          lineNumbers(),
          history(),
          new LanguageSupport(pythonLanguage),
          indentUnit.of(" ".repeat(UNIT)),
          EditorState.tabSize.of(UNIT),
          afterLeaving,
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ override: [completions(names)], selectOnOpen: false, interactionDelay: 0, icons: false, maxRenderedOptions: 60 }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
          syntaxHighlighting(colours),
          speaking,
          errors,
          leaving,
          typedOver,
          EditorView.contentAttributes.of(attributes),
          EditorView.updateListener.of((update) => update.docChanged && onchange?.()),
        ],
      }),
    });
  }

  get text() {
    return this.view.state.doc.toString();
  }

  focus() {
    this.view.focus();
  }

  // line and column from 1, told: the id of the element that says what is wrong. null: nothing is.
  mark(error) {
    this.view.dispatch({ effects: setError.of(error) });
  }
}
