// The page: joins the notebook, the graph, the tensors and the log of requests.

import { Api, EXPIRED, expired, Problem } from "./api.js";
import { copy, h, icon, replace, tell } from "./dom.js";
import { Functions } from "./functions.js";
import { GraphView, MOST_NODES, walked } from "./graph.js";
import { NoLayout } from "./layout.js";
import { BLANK, LESSONS } from "./lessons.js";
import { Notebook } from "./notebook.js";
import { pack, packable, unpack } from "./share.js";
import { LANGUAGES, snippet } from "./snippets.js";
import { Stepper } from "./stepper.js";
import { Tensors } from "./tensors.js";

const find = (id) => document.getElementById(id);
const state = { root: "", tab: "graph", language: "curl", request: null };

const api = new Api({ onrequest: () => state.tab === "requests" && showRequests(), askKey });
const view = new GraphView({ onopen: (name) => openTensor(name), onroot });
const stepper = new Stepper({ api, view, onclose });
const tensors = new Tensors({ api, onerror: (problem) => tell(problem.message) });
const functions = new Functions({ api });
const notebook = new Notebook({ api, onran, onstep, onchange, onreset, onfunction });

// -- the panel beside the cells ---------------------------------------------------------------------------------------

const TABS = [
  ["graph", "Graph"],
  ["tensors", "Tensors"],
  ["functions", "Functions"],
  ["requests", "Requests"],
];

function showTab(name) {
  state.tab = name;
  for (const [tab] of TABS) {
    const chosen = tab === name;
    const button = find(`tab-${tab}`);
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    find(`panel-${tab}`).hidden = !chosen;
  }
  document.body.dataset.view = name;
  for (const button of find("views").children) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  if (name === "graph") view.fit(1, 0.78);
  if (name === "tensors") tensors.refresh().catch((problem) => tensors.fail(problem));
  if (name === "functions") functions.refresh().catch((problem) => tell(problem.message));
  if (name === "requests") showRequests();
}

function onfunction(name) {
  functions.name = name;
  showTab("functions");
}

function tabs() {
  replace(
    find("tabs"),
    TABS.map(([name, word]) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => showTab(name) }, word),
    ),
  );
  find("tabs").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = (TABS.findIndex(([name]) => name === state.tab) + by + TABS.length) % TABS.length;
    showTab(TABS[at][0]);
    find(`tab-${TABS[at][0]}`).focus();
  });
  const views = [["notebook", "Notebook"], ...TABS];
  replace(
    find("views"),
    views.map(([name, word]) => h("button", { type: "button", "data-view": name, onclick: () => (name === "notebook" ? showNotebook() : showTab(name)) }, word)),
  );
}

function showNotebook() {
  document.body.dataset.view = "notebook";
  for (const button of find("views").children) button.setAttribute("aria-pressed", String(button.dataset.view === "notebook"));
}

const narrow = () => matchMedia("(max-width: 59.99rem)").matches;

function openTensor(name) {
  showTab("tensors");
  tensors.open(name).then(() => tensors.detail.focus({ preventScroll: true }));
}

// -- the graph --------------------------------------------------------------------------------------------------------

async function showGraph() {
  if (!api.session) return view.show({ nodes: [], edges: [] }, [], "");
  const named = await api.tensors();
  const roots = named.filter((t) => t.requires_grad && !t.is_leaf).map((t) => t.id);
  if (!roots.includes(state.root)) state.root = "";
  const graph = await api.graph(state.root, MOST_NODES);
  try {
    await view.show(graph, roots, state.root);
  } catch (problem) {
    if (!(problem instanceof NoLayout)) throw problem;
    // Without WebAssembly: the picture that the service draws.
    const drawn = await api.request("GET", api.at("/graph?format=svg"), undefined, { quiet: true });
    const url = URL.createObjectURL(new Blob([drawn], { type: "image/svg+xml" }));
    replace(view.stage, h("img", { class: "drawn", src: url, alt: `Computation graph: ${graph.nodes.length} nodes` }));
  }
}

function onroot(root) {
  state.root = root;
  showGraph().catch((problem) => {
    if (!(problem instanceof Problem)) throw problem;
    tell(expired(problem) ? EXPIRED : problem.message);
  });
}

async function onran() {
  stepper.close();
  if (notebook.fresh) return; // another notebook was opened meanwhile
  try {
    await showGraph();
    if (state.tab === "tensors") await tensors.refresh();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
  await showSession();
}

async function onstep({ trace, nodes }) {
  showTab("graph");
  if (trace.length <= MOST_NODES && trace.some((event) => !view.places?.has(event.node))) {
    state.apart = true;
    await view.show(walked(trace, view.graph), [], "").catch(() => {});
  }
  stepper.start(trace, nodes);
}

// What was drawn for a walk alone gives way to the session's graph.
function onclose() {
  if (!state.apart) return;
  state.apart = false;
  showGraph().catch(() => {});
}

function onreset() {
  stepper.close();
  state.root = "";
  tensors.name = null;
  view.show({ nodes: [], edges: [] }, [], "");
  tensors.draw([]);
  tensors.detail.hidden = true;
}

function savePicture() {
  const text = view.file();
  if (!text) return tell("There is no graph to save yet.");
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "image/svg+xml" })), download: "graph.svg" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  tell("Saved as graph.svg");
}

function graphPanel() {
  const tool = (name, word, action) => h("button", { type: "button", class: "tool", "aria-label": word, title: word, onclick: action }, icon(name));
  replace(
    find("panel-graph"),
    h(
      "div",
      { class: "graphbar" },
      h("label", { for: "root" }, "Graph of"),
      view.root,
      h("span", { class: "gap" }),
      tool("minus", "Smaller", () => view.zoomed(1 / 1.25)),
      tool("plus", "Larger", () => view.zoomed(1.25)),
      tool("fit", "Fit: all of it is seen", () => view.whole()),
      tool("save", "Save as SVG", savePicture),
    ),
    view.hold,
    stepper.element,
    view.legend,
  );
}

// -- requests ---------------------------------------------------------------------------------------------------------

function showRequests() {
  const log = api.log;
  const chosen = log.includes(state.request) ? state.request : (log.findLast((r) => r.method !== "GET") ?? log.at(-1));
  const languages = h(
    "div",
    { class: "choice", role: "group", "aria-label": "Language" },
    LANGUAGES.map((language) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(language === state.language),
          "data-language": language,
          onclick: () => {
            state.language = language;
            showRequests();
            find("panel-requests").querySelector(`[data-language="${language}"]`).focus();
          },
        },
        language,
      ),
    ),
  );
  const text = chosen && snippet(state.language, chosen);
  replace(
    find("panel-requests"),
    h("p", { class: "note" }, "All that this page does goes through the public API. Choose a request and take it along."),
    chosen
      ? [
          h("div", { class: "row" }, languages, h("button", { type: "button", onclick: () => copy(text, `Copied as ${state.language}`) }, "Copy")),
          h("div", { class: "snippet" }, h("pre", { tabindex: 0 }, text)),
          h(
            "ol",
            { class: "log" },
            log
              .map((r) =>
                h(
                  "li",
                  null,
                  h(
                    "button",
                    {
                      type: "button",
                      "aria-pressed": String(r === chosen),
                      onclick: () => {
                        state.request = r;
                        showRequests();
                      },
                    },
                    h("b", null, r.method),
                    h("span", { class: "path" }, r.path.replace(/^\/v1\/sessions\/[\w-]{12,}/, "…")),
                    h("span", { class: r.status >= 400 ? "status wrong" : "status" }, String(r.status)),
                    h("span", { class: "ms" }, `${r.ms.toFixed(r.ms < 10 ? 1 : 0)} ms`),
                  ),
                ),
              )
              .reverse(),
          ),
        ]
      : h("p", { class: "empty" }, "Nothing has been asked yet. Run a cell."),
  );
}

// -- the session, the key ---------------------------------------------------------------------------------------------

async function showSession() {
  if (!api.session) return replace(find("session"));
  try {
    const found = await api.request("GET", api.at(), undefined, { quiet: true });
    replace(find("session"), `${found.tensors} ${found.tensors === 1 ? "tensor" : "tensors"}, ${found.nodes} ${found.nodes === 1 ? "node" : "nodes"}`);
    find("session").title = `Session ${api.session}, seed ${found.seed}`;
  } catch {
    replace(find("session"));
  }
}

let asking = null;
function askKey(detail) {
  asking ??= new Promise((done) => {
    const dialog = find("key");
    const field = find("key-field");
    find("key-detail").textContent = detail ?? "This service wants a key.";
    field.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener(
      "close",
      () => {
        asking = null;
        done(dialog.returnValue === "use" ? field.value.trim() : null);
      },
      { once: true },
    );
  });
  return asking;
}

// -- lessons and links ------------------------------------------------------------------------------------------------

function load(content, lesson) {
  notebook.lesson = lesson?.id ?? null;
  notebook.load(content);
  document.title = `${content.title} · Gradwire`;
  find("lesson").value = lesson?.id ?? "";
  onreset();
  document.querySelector("main").scrollTop = 0;
  scrollTo(0, 0);
}

function choose(id) {
  const lesson = LESSONS.find((l) => l.id === id);
  history.pushState(null, "", lesson ? `#lesson=${id}` : "#new");
  load(lesson ?? BLANK, lesson);
  if (narrow()) showNotebook();
}

async function fromAddress() {
  const [, kind, rest] = /^#(\w+)(?:=(.*))?$/.exec(location.hash) ?? [];
  if (kind === "n" && rest) {
    try {
      load(await unpack(rest), null);
      return;
    } catch {
      tell("The link holds no notebook that can be read.");
    }
  }
  if (kind === "new") return load(BLANK, null);
  const asked = kind === "lesson" ? rest : location.hash.slice(1);
  const found = LESSONS.find((l) => l.id === asked);
  const lesson = found ?? LESSONS[0];
  load(lesson, lesson);
  if (asked && !found && kind !== "n") tell("The address names no lesson that there is. This is the first.");
}

// What is edited stays in the address, so that a reload brings it back.
let saving;
function onchange() {
  clearTimeout(saving);
  saving = setTimeout(async () => {
    notebook.lesson = null;
    find("lesson").value = "";
    history.replaceState(null, "", `#n=${await pack(packable(notebook.content))}`);
  }, 600);
}

async function share() {
  clearTimeout(saving);
  const link = notebook.lesson ? new URL(`#lesson=${notebook.lesson}`, location.href).href : new URL(`#n=${await pack(packable(notebook.content))}`, location.href).href;
  await copy(link, "The link is copied. The notebook is in it; nothing is stored.");
}

function start() {
  tabs();
  graphPanel();
  replace(find("panel-tensors"), tensors.element);
  replace(find("panel-functions"), functions.element);
  replace(
    find("lesson"),
    h("option", { value: "", disabled: true, hidden: true }, "Your notebook"),
    h("optgroup", { label: "Lessons" }, LESSONS.map((l) => h("option", { value: l.id }, l.title))),
    h("option", { value: "new" }, "A blank notebook"),
  );
  find("lesson").addEventListener("change", (event) => choose(event.target.value));
  find("run-all").addEventListener("click", () => notebook.runAll());
  find("restart").addEventListener("click", async () => {
    await notebook.restart();
    tell("A new session begins with the next cell.");
  });
  find("share").addEventListener("click", share);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address stays that of the notebook
    showNotebook();
    find("notebook").focus();
  });
  find("helped").addEventListener("click", () => find("help").showModal());
  find("notebook").append(notebook.element);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  addEventListener("popstate", fromAddress);
  addEventListener("resize", () => state.tab === "graph" && view.svg && view.fit(1, 0.78));
  addEventListener("pagehide", () => api.leave());
  showTab("graph");
  if (narrow()) showNotebook();
  fromAddress();
}

start();
