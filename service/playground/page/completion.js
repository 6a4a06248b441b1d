// What can be written at the cursor: operators and methods from the service's catalogue, what else PyTorch's namespaces hold here,
// names of this cell and of the session.

import { localCompletionSource, syntaxTree } from "/playground/vendor/codemirror.js";

const words = (text) => text.split(" ");

// What of PyTorch's namespaces is no operator. A test asks the service for each.
export const MEMBERS = {
  torch: words(
    "Size Tensor autograd bool complex128 complex64 device dtype e enable_grad fft float16 float32 float64 func get_default_dtype inf inference_mode int16 int32 int64 int8 is_grad_enabled is_tensor linalg manual_seed nan nn no_grad optim pi promote_types set_default_dtype set_grad_enabled set_printoptions special uint8 vmap",
  ),
  "torch.autograd": words("Function backward enable_grad functional grad gradcheck gradgradcheck inference_mode no_grad set_grad_enabled"),
  "torch.autograd.functional": words("hessian hvp jacobian jvp vhp vjp"),
  "torch.func": words("grad grad_and_value hessian jacfwd jacrev jvp linearize vjp vmap"),
  "torch.nn": ["functional"],
  "torch.optim": words("Adagrad Adam AdamW LBFGS RMSprop SGD lr_scheduler"),
  math: words("acos asin atan atan2 ceil comb cos cosh degrees dist e exp expm1 fabs factorial floor fsum gcd hypot inf isclose isfinite isinf isnan lcm log log10 log1p log2 nan pi prod radians sin sinh sqrt tan tanh tau trunc"),
};
export const OF_TENSORS = {
  methods: words("backward cpu detach detach_ dim element_size is_complex is_contiguous is_floating_point item nelement numel register_hook requires_grad_ retain_grad size stride tolist"),
  properties: words("data device dtype grad grad_fn is_leaf ndim requires_grad shape"),
};
const OF_OPTIMIZERS = words("param_groups step zero_grad");
export const BUILTINS = words("abs all any bool complex dict enumerate filter float int isinstance len list map max min next print range repr reversed round set sorted str sum tuple type zip");
const KEYWORDS = words("and as assert break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with None True False");
const ALIASES = { F: "torch.nn.functional", nn: "torch.nn", optim: "torch.optim", functional: "torch.nn.functional" };

let catalogue = null;

// Asked for once, when a first name is completed.
async function known() {
  catalogue ??= fetch("/v1/ops", { headers: credentials() })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer)))
    .then(({ ops }) => sorted(ops))
    .catch(() => {
      catalogue = null;
      return sorted([]);
    });
  return catalogue;
}

function credentials() {
  const key = sessionStorage.getItem("gradwire-key");
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const plain = (labels, type) => labels.map((label) => ({ label, type }));

function sorted(ops) {
  const modules = Object.fromEntries(Object.entries(MEMBERS).map(([name, members]) => [name, plain(members, "name")]));
  const tensor = [...plain(OF_TENSORS.methods, "method"), ...plain(OF_TENSORS.properties, "property")];
  for (const { name, forms, summary, schemas } of ops) {
    const at = name.lastIndexOf(".");
    const [path, label] = [at < 0 ? "torch" : `torch.${name.slice(0, at)}`, name.slice(at + 1)];
    if (label.startsWith("_")) continue;
    const info = `${schemas[0].replace(/^[\w.]+/, label)}\n${summary}`;
    if (forms.includes("function")) (modules[path] ??= []).push({ label, type: "function", info });
    if (path !== "torch") continue;
    if (forms.includes("method")) tensor.push({ label, type: "method", info });
    if (forms.includes("inplace")) tensor.push({ label: `${label}_`, type: "method", info, boost: -1 });
    if (forms.includes("property")) tensor.push({ label, type: "property", info });
  }
  return { modules, tensor: once(tensor) };
}

const once = (options) => [...new Map(options.map((option) => [option.label, option])).values()];

// The whole name of what stands before the dot, where it is one of PyTorch's namespaces.
function namespace(chain) {
  const [head, ...rest] = chain.split(".");
  return [ALIASES[head] ?? head, ...rest].join(".");
}

const QUIET = new Set(["Comment", "String", "FormatString"]);

export function completions(names) {
  return async (context) => {
    if (QUIET.has(syntaxTree(context.state).resolveInner(context.pos, -1).name)) return null;
    const found = context.matchBefore(/[\p{L}\p{N}_.)\]]*$/u);
    const text = found?.text ?? "";
    const [, chain, dot, word] = /^(.*?)(\.?)([\p{L}_][\p{L}\p{N}_]*|)$/su.exec(text);
    const from = context.pos - word.length;
    const validFor = /^[\p{L}\p{N}_]*$/u;
    if (dot) {
      if (/^[\d]*$/.test(chain)) return null; // a number, or nothing
      const { modules, tensor } = await known();
      const path = namespace(chain);
      if (Object.hasOwn(modules, path)) return { from, options: once(modules[path]), validFor };
      const text = names().text;
      if (new RegExp(`(?<![\\p{L}\\p{N}_.])${chain.replace(/[.()[\]]/g, "\\$&")}\\s*=\\s*(torch\\.)?optim\\.\\w`, "u").test(text)) return { from, options: plain(OF_OPTIMIZERS, "name"), validFor };
      return { from, options: tensor, validFor };
    }
    if (!context.explicit && word.length < 2) return null;
    const local = localCompletionSource(context)?.options ?? [];
    const own = plain([...names().bound, "torch", "math"], "name");
    return { from, options: once([...plain(KEYWORDS, "keyword"), ...plain(BUILTINS, "function"), ...own, ...local.map(({ label, type }) => ({ label, type }))]), validFor };
  };
}
