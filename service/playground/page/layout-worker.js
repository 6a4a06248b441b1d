// Graphviz, compiled to WebAssembly, in a thread of its own: takes texts in DOT, answers where boxes and arrows go.
import { Graphviz } from "/playground/vendor/graphviz.js";

const ready = Graphviz.load();

self.onmessage = async ({ data: { id, dots } }) => {
  try {
    const graphviz = await ready;
    self.postMessage({ id, layouts: dots.map((dot) => graphviz.layout(dot, "json0", "dot")) });
  } catch (error) {
    self.postMessage({ id, error: String(error) });
  }
};
