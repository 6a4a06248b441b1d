// In the bundle this stands in for style-mod's way into a document: it makes a <style> element, which the page's policy refuses
// (style-src 'self'). A constructed style sheet holds the same rules, and a policy has nothing against it.
import { StyleModule as Written } from "./node_modules/style-mod/src/style-mod.js";

const mounted = new WeakMap(); // of a document or shadow root: its sheet, and the modules in it, later ones going first

export class StyleModule extends Written {
  static mount(root, modules) {
    const wanted = Array.isArray(modules) ? modules : [modules];
    const found = mounted.get(root) ?? { sheet: new CSSStyleSheet(), modules: [] };
    if (!mounted.has(root)) {
      mounted.set(root, found);
      root.adoptedStyleSheets = [found.sheet, ...root.adoptedStyleSheets];
    }
    if (wanted.every((m) => found.modules.includes(m))) return;
    found.modules = [...found.modules.filter((m) => !wanted.includes(m)), ...wanted];
    found.sheet.replaceSync(found.modules.map((m) => m.getRules()).join("\n"));
  }
}
