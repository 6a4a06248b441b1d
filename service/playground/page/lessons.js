// The ready lessons. A cell is [kind, content]: "t" prose, "c" code. In code, a comment that begins with "#:" speaks to the page:
// "#: repeat 40" runs the cell so often and draws its value; "#: contour X Y Z path" draws named tensors; "#: serve name" serves the
// function that the cell defines, and "#: landscape x -2 2 y -1 3" draws one of two numbers and goes down on it.

const t = (content) => ({ kind: "text", content });
const c = (content) => ({ kind: "code", content: content.replace(/^\n/, "").trimEnd() });

export const LESSONS = [
  {
    id: "autograd",
    title: "Autograd in five minutes",
    cells: [
      t(`# Autograd in five minutes

Write a computation as usual. While it runs, every operator leaves a node behind; the nodes make a graph, and the graph knows how to carry a gradient from the result back to where it came from. Press *Run all*, or go cell by cell with Shift+Enter, and watch the graph grow beside the text.`),
      c(`
import torch

x = torch.ones(2, 2, requires_grad=True)
print(x)`),
      t("`requires_grad=True` makes `x` a *leaf* that is watched. Whatever is computed from it is watched too."),
      c(`
y = x + 2
z = y * y * 3
out = z.mean()
print(z)
print(out)`),
      t("Each result names the operator that made it in `grad_fn`. Now let the gradient flow back from `out`. When the cell has run, *Step through* shows the walk node by node."),
      c(`
out.backward()
print(x.grad)`),
      t("Every entry is 4.5. By hand: `out` is a quarter of the sum of 3(x+2)², so its derivative is 1.5·(x+2), and at x = 1 that is 4.5."),
    ],
  },
  {
    id: "tensors",
    title: "Tensors",
    cells: [
      t(`# Tensors

A tensor is an array of numbers with a shape and a dtype. Make some, compute with them, look at them under *Tensors*: as a table, a heat map, a histogram.`),
      c(`
import torch

a = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
print(a)
print(a.shape, a.dtype)`),
      t("Operators work element by element; shapes that differ are *broadcast*: a row is repeated down, a column across."),
      c(`
row = torch.tensor([10.0, 20.0, 30.0])
column = torch.tensor([[0.5], [2.0]])
print(a + row)
print(a * column)`),
      c(`
print(a @ a.T)          # a matrix product
print(a.sum(dim=0))     # down the columns
print(a[1, 1:])         # an index gives a view
a.reshape(3, 2)`),
      t("Whole numbers stay whole until they are divided. A dtype of its own can be asked for."),
      c(`
n = torch.arange(6)
print(n, n.dtype)
print((n / 4).dtype, n.to(torch.float64).dtype)`),
      c(`
torch.manual_seed(0)
noise = torch.randn(20, 30)
rows = torch.linspace(0, 6, 20).reshape(20, 1)
waves = torch.sin(torch.linspace(0, 12, 30)) * torch.cos(rows)
print(noise.mean(), noise.std())`),
    ],
  },
  {
    id: "functions",
    title: "Functions and grad_fn",
    cells: [
      t(`# Functions and grad_fn

Nobody declares the graph: it is what the program did. Each recorded operator is a node that remembers its inputs, and what it needs for its derivative.`),
      c(`
import torch

x = torch.tensor(0.5, requires_grad=True)
s = torch.sin(x)
e = torch.exp(s)
y = e * x
print(y.grad_fn)
print(y.grad_fn.next_functions)`),
      t("`exp` saves its *result*, because its derivative is its result. `sin` saves its *input*. A product saves the *other* factor. A sum saves nothing. The graph shows it at each node."),
      c(`
node = y.grad_fn
while node is not None:
    print(node.name())
    following = node.next_functions
    node = following[0][0] if following else None`),
      t("Since the graph is what the program did, a loop or a branch is nothing special."),
      c(`
w = x
count = 0
while w < 10:
    w = w * 3
    count = count + 1
w.backward()
print(count, w, x.grad)`),
    ],
  },
  {
    id: "gradients",
    title: "Gradients of one and of several elements",
    cells: [
      t(`# Gradients of one and of several elements

\`backward()\` without an argument asks: how does *this one number* change? A result of several elements has no single answer; it needs a weight for each.`),
      c(`
import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
total = (x ** 2).sum()
total.backward()
print(x.grad)`),
      t("Now three results at once. Without weights PyTorch refuses, and so does this page; the error stands at its line."),
      c(`
x.grad = None
y = x ** 3
y.backward()`),
      t("The weights form a vector v, and what comes out is vᵀJ: a product with the Jacobian, which is never built."),
      c(`
x.grad = None
y = x ** 3
v = torch.tensor([1.0, 0.1, 0.01])
y.backward(v)
print(x.grad)      # v * 3x²`),
      t("To see the Jacobian itself, ask for it."),
      c(`torch.autograd.functional.jacobian(lambda x: x ** 3, x.detach())`),
    ],
  },
  {
    id: "accumulation",
    title: "Gradients accumulate",
    cells: [
      t(`# Gradients accumulate

\`backward\` *adds* to \`.grad\`. That is what one wants when a batch comes in pieces, and the classic bug when one forgets to clear.`),
      c(`
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
(w * 3).sum().backward()
print(w.grad)
(w * 3).sum().backward()
print(w.grad)      # twice as much, though nothing has changed`),
      c(`
w.grad = None      # or: w.grad.zero_()
(w * 3).sum().backward()
print(w.grad)`),
      t("A tensor that is used twice collects from both uses. Its gradient is the sum over all paths."),
      c(`
w.grad = None
a = w * 2
b = w * w
out = (a + b).sum()
out.backward()
print(w.grad)      # 2 + 2w`),
      t("The saved values are let go by the first backward. `retain_graph=True` keeps them for another."),
      c(`
w.grad = None
out = (w * w).sum()
out.backward(retain_graph=True)
out.backward()
print(w.grad)      # 2w, twice`),
    ],
  },
  {
    id: "detach",
    title: "detach and no_grad",
    cells: [
      t(`# detach and no_grad

Sometimes a value shall be used without its history. What is left out is drawn with dots, so that one sees what backward will not.`),
      c(`
import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * x
with torch.no_grad():
    quiet = x * 10
print(y.requires_grad, quiet.requires_grad)`),
      t("`detach` gives the same numbers, sharing memory, outside the graph. Here only one of two paths counts."),
      c(`
d = y.detach()
out = (y + d * x).sum()
out.backward()
print(d)
print(x.grad)      # 2x + d: through d * x flows d, into d nothing`),
      t("The typical use: a step of gradient descent writes into a leaf, and that must not be recorded."),
      c(`
with torch.no_grad():
    x -= 0.1 * x.grad
print(x, x.is_leaf)`),
      t("Without `no_grad` the write is refused."),
      c(`x -= 0.1`),
    ],
  },
  {
    id: "double",
    title: "Double backward",
    cells: [
      t(`# Double backward

With \`create_graph=True\` the backward walk is itself recorded: the gradient has a history and can be differentiated again.`),
      c(`
import torch

x = torch.tensor(2.0, requires_grad=True)
y = x ** 4
(first,) = torch.autograd.grad(y, x, create_graph=True)
print(first)       # 4x³ = 32`),
      c(`
(second,) = torch.autograd.grad(first, x, create_graph=True)
print(second)      # 12x² = 48
(third,) = torch.autograd.grad(second, x)
print(third)       # 24x = 48`),
      t("Two uses: a penalty on the size of a gradient, and Newton's method, which finds the root of the first derivative with the second."),
      c(`
m = torch.tensor(3.0, requires_grad=True)
for step in range(6):
    f = m ** 4 - 3 * m ** 2 + m
    (g,) = torch.autograd.grad(f, m, create_graph=True)
    (h,) = torch.autograd.grad(g, m)
    with torch.no_grad():
        m -= g / h
    print(f"{step}: x = {m.item():.6f}, slope = {g.item():.6f}")`),
    ],
  },
  {
    id: "inplace",
    title: "In-place writes and versions",
    cells: [
      t(`# In-place writes and versions

An operator with a trailing underscore writes into its tensor. Each write raises the tensor's *version*. Backward compares: if a saved value was written since, its gradient would be wrong, and it says so.`),
      c(`
import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 1.0
print(y._version)
y.add_(1)
print(y._version, y)`),
      t("The write became part of the graph. Here it does no harm, since a sum saves nothing."),
      c(`
y.sum().backward()
print(x.grad)`),
      t("Here it does: `exp` has saved its result, and the result is overwritten."),
      c(`
e = x.exp()
e.mul_(2)
e.sum().backward()`),
      t("A view shares memory with its base. Writing to the view changes the base, and its history."),
      c(`
base = torch.zeros(4)
base[1:3] = x[:2] * 5
print(base)
x.grad = None
base.sum().backward()
print(x.grad)`),
    ],
  },
  {
    id: "network",
    title: "Train a small network",
    cells: [
      t(`# Train a small network

Two layers learn a curve from 64 points. The third cell is run forty times, ten steps each; the loss is drawn as it falls.`),
      c(`
import torch

torch.manual_seed(1)
points = torch.linspace(-3, 3, 64).reshape(64, 1)
target = torch.sin(points) + 0.1 * torch.randn(64, 1)`),
      c(`
W1 = (torch.randn(1, 16) * 1.0).requires_grad_()
b1 = torch.zeros(16, requires_grad=True)
W2 = (torch.randn(16, 1) * 0.25).requires_grad_()
b2 = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.Adam([W1, b1, W2, b2], lr=0.03)

def network(x):
    return torch.tanh(x @ W1 + b1) @ W2 + b2`),
      c(`
#: repeat 40
for step in range(10):
    prediction = network(points)
    loss = ((prediction - target) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
loss.item()`),
      t("What is left is less than the noise that was added, 0.1² = 0.01: sixteen units have begun to learn the noise itself. The prediction beside the data:"),
      c(`
for i in range(0, 64, 9):
    x, y = points[i].item(), target[i].item()
    guess = prediction[i].item()
    print(f"{x:6.2f}  data {y:6.3f}  network {guess:6.3f}")`),
    ],
  },
  {
    id: "descent",
    title: "A served function, and descent on it",
    cells: [
      t(`# A served function, and descent on it

So far the graph was the point. Who only wants a function and its exact derivatives can have it *served*: an address to which anyone sends inputs and gets values, gradients, Hessians. The first line of this cell asks the page to serve what the cell defines; the second, to draw it.`),
      c(`
#: serve valley
#: landscape x -1.8 1.8 y -0.9 2.6 from -1.5 2.2
def valley(x, y):
    return (1 - x) ** 2 + 20 * (y - x ** 2) ** 2`),
      t("Rosenbrock's valley: its floor is easy to find and hard to follow; the lowest point is at (1, 1). The 6400 heights came in *one* request, a batch. Each step of the descent is one more, for the gradient. Press anywhere on the map to begin there; choose another rule. *Newton's method* asks for the Hessian too, and needs a handful of steps."),
      t("Under *Functions* there is a form for it, and under *Requests* each call as code. In a session, the same descent is a loop that one writes:"),
      c(`
import torch

def valley(x, y):
    return (1 - x) ** 2 + 20 * (y - x ** 2) ** 2

X = torch.linspace(-1.8, 1.8, 64)
Y = torch.linspace(-0.9, 2.6, 64)
Z = torch.log(1 + valley(X, Y.reshape(64, 1)))

p = torch.tensor([-1.5, 2.2], requires_grad=True)
path = torch.zeros(0, 2)
optimizer = torch.optim.SGD([p], lr=0.002, momentum=0.9)`),
      c(`
#: repeat 20
#: contour X Y Z path
for step in range(10):
    path = torch.cat([path, p.detach().reshape(1, 2)])
    height = valley(p[0], p[1])
    optimizer.zero_grad()
    height.backward()
    optimizer.step()
height.item()`),
    ],
  },
];

export const BLANK = { title: "Untitled", cells: [c("import torch\n\nx = torch.tensor(3.0, requires_grad=True)\ny = x ** 2\ny.backward()\nprint(x.grad)")] };

// What the "#:" comments of a cell ask of the page.
const numbers = (words) => words.map((w) => (/^[-+.\d]/.test(w) ? Number(w) : Number.NaN));

// How each line is written, and what it gives; nothing where it is written otherwise.
const LINES = {
  repeat: ["repeat N, with N from 1 to 1000", ([count]) => /^\d{1,4}$/.test(count) && count >= 1 && count <= 1000 && Number(count)],
  contour: ["contour X Y Z path, the names of tensors", ([x, y, z, path = null]) => z && { x, y, z, path }],
  serve: ["serve name", ([name]) => name],
  landscape: [
    "landscape x -2 2 y -1 3, and perhaps: from -1 2",
    ([x, x0, x1, y, y0, y1, , ...start]) => {
      const found = { inputs: [x, y], spans: [numbers([x0, x1].map(String)), numbers([y0, y1].map(String))], start: start.length >= 2 ? numbers(start.slice(0, 2)) : null };
      return [...found.spans.flat(), ...(found.start ?? [])].every(Number.isFinite) && found;
    },
  ],
};

export function directives(code) {
  const asked = { repeat: 1, contour: null, serve: null, landscape: null, lines: {}, wrong: null };
  for (const { 1: word, 2: rest, index } of code.matchAll(/^#:\s*(\w+)[ \t]*(.*)$/gm)) {
    if (!Object.hasOwn(LINES, word)) continue; // a comment
    const [written, read] = LINES[word];
    const line = code.slice(0, index).split("\n").length;
    const found = read(rest.trim().split(/[\s,]+/).filter(Boolean));
    if (found) [asked[word], asked.lines[word]] = [found, line];
    else asked.wrong ??= { line, detail: `This line is written so: #: ${written}` };
  }
  if (asked.landscape && !asked.serve) asked.wrong ??= { line: asked.lines.landscape, detail: "A landscape is drawn of a served function: #: serve name stands in the same cell" };
  return asked;
}
