// What the page takes from CodeMirror, and so all that the bundle holds.
export { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, moveCompletionSelection, selectedCompletion } from "@codemirror/autocomplete";
export { defaultKeymap, history, historyKeymap, indentLess, indentMore } from "@codemirror/commands";
export { localCompletionSource, pythonLanguage } from "@codemirror/lang-python";
export { bracketMatching, indentOnInput, indentService, indentUnit, LanguageSupport, syntaxHighlighting, syntaxTree } from "@codemirror/language";
export { EditorState, RangeSet, StateEffect, StateField } from "@codemirror/state";
export { Decoration, EditorView, GutterMarker, gutterLineClass, keymap, lineNumbers, MatchDecorator, ViewPlugin } from "@codemirror/view";
export { tagHighlighter, tags } from "@lezer/highlight";
