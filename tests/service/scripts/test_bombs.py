"""Texts that ask for too much time or memory: stopped before it is spent, with nothing changed."""

from __future__ import annotations

import pytest

from service.scripts import Cell
from service.sessions.digest import digest
from service.sessions.limits import Limits
from service.sessions.running import budget_of, run_cell
from service.sessions.session import Session
from service.steps.errors import ServiceError

LIMITS = Limits(script_seconds=3.0, script_steps=200_000)
BOMBS = {
    "endless loop": "while True: pass",
    "endless loop of tensors": "x = torch.ones(1)\nwhile True: x = x + 1",
    "endless for": "a = [1]\nfor i in a: a.append(i)",
    "power tower": "9**9**9**9",
    "power": "x = 7 ** (10 ** 8)",
    "shift": "1 << 10**9",
    "squaring": "x = 3\nwhile True: x *= x",
    "product": "math.prod(range(1, 10**6))",
    "factorial": "math.factorial(10**6)",
    "least common multiple": "math.lcm(*[2**13000 + 2 * i + 1 for i in range(1000)])",
    "modular power": "pow(3, 2**13000, 2**13000 + 1)",
    "text repeated": "'a' * 10**9",
    "text doubled": "s = 'ab'\nwhile True: s += s",
    "list repeated": "[0] * 10**9",
    "list doubled": "a = [1]\nwhile True: a += a",
    "list of a range": "list(range(10**9))",
    "tuple of a range": "tuple(range(10**10))",
    "sum of a range": "sum(range(10**10))",
    "max of a range": "max(range(10**12))",
    "membership": "1.5 in range(10**12)",
    "comprehension": "[x for x in range(10**9)]",
    "nested comprehensions": "[[[[0 for a in range(99)] for b in range(99)] for c in range(99)] for d in range(99)]",
    "comprehension of five": "[0 for a in range(99) for b in range(99) for c in range(99) for d in range(99) if False]",
    "set of a range": "set(range(10**9))",
    "dict of a range": "{i: i for i in range(10**9)}",
    "keys of one hash": "{k * (2**61 - 1): 0 for k in range(10**5)}",
    "complex keys of one hash": "{complex(-1000003 * k, k): 0 for k in range(10**5)}",
    "width": "'{:1000000000}'.format(1)",
    "width of a width": "'{:{}}'.format(1, 10**9)",
    "width in an f-string": "f'{1:{10**9}}'",
    "precision": "'{:.1000000000f}'.format(1.0)",
    "percent width": "'%1000000000d' % 1",
    "percent star": "'%*d' % (10**9, 1)",
    "percent precision": "'%.1000000000f' % 1.0",
    "just": "'a'.ljust(10**9)",
    "zfill": "'a'.zfill(10**9)",
    "replace": "('a' * 10**6).replace('a', 'b' * 10**6)",
    "join": "('a' * 10**6).join(['b'] * 10**5)",
    "expandtabs": "'\\t'.expandtabs(10**9)",
    "digits": "int('9' * 10**6)",
    "digits of another base": "int('f' * 10**6, 16)",
    "recursion": "def f(n): return f(n + 1)\nf(0)",
    "recursion of two": "def f(): return g()\ndef g(): return f()\nf()",
    "recursion caught": "def f():\n    try: f()\n    except RecursionError: f()\nf()",
    "recursion in finally": "def f():\n    try: f()\n    finally: f()\nf()",
    "recursion by attribute": "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().y",
    "recursion by repr": "class A:\n    def __repr__(self): return repr(self)\nprint(A())",
    "recursion by operator": "class A:\n    def __add__(self, o): return self + o\nA() + 1",
    "recursion by truth": "class A:\n    def __bool__(self): return self\nif A(): pass",
    "recursion by hook": "x = torch.ones(1, requires_grad=True)\nx.register_hook(lambda g: (x * 1).backward())\n(x * 1).backward()",
    "recursion by function": (
        "class F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x): return F.apply(x)\nF.apply(torch.ones(1))"
    ),
    "list in itself": "a = []\na.append(a)\nprint(a)",
    "deep list": "a = []\nfor i in range(100000): a = [a]\nprint(a)",
    "deep list as data": "a = 1.0\nfor i in range(1000): a = [a]\ntorch.tensor(a)",
    "wide tree printed": "a = 1\nfor i in range(60): a = [a, a]\nprint(a)",
    "wide tree compared": "a = b = 1\nfor i in range(50):\n    a = [a, a]\n    b = [b, b]\na == b",
    "wide tree as key": "a = ()\nfor i in range(50): a = (a, a)\n{a: 1}",
    "wide tree as data": "a = 1.0\nfor i in range(50): a = [a, a]\ntorch.tensor(a)",
    "wide tree of a transform": "def f(x):\n    for i in range(50): x = (x, x)\n    return x\ntorch.func.vmap(f)(torch.ones(2))",
    "deep iterators": "g = iter([1])\nfor i in range(50000): g = (x for x in g)\nlist(g)",
    "deep maps": "g = iter([1])\nfor i in range(50000): g = map(abs, g)\nlist(g)",
    "iterators in lists": "g = [1]\nfor i in range(20000): g = (y for x in [g] for y in x)\nlist(g)",
    "deep decorators": "f = lambda: 1\nfor i in range(50000): f = torch.no_grad()(f)\nf()",
    "endless map": "def f():\n    while True: pass\nlist(map(lambda v: f(), [1]))",
    "slow sort": "sorted(range(10**6), key=lambda v: -v)",
    "large tensor": "torch.ones(10**5, 10**5)",
    "large empty": "torch.empty(10**12)",
    "large outer": "a = torch.ones(10**5)\na[:, None] * a",
    "large outer method": "torch.ones(10**5).outer(torch.ones(10**5))",
    "large expand": "torch.ones(1).expand(10**9).clone()",
    "large repeat": "torch.ones(1000).repeat(10**9)",
    "large arange": "torch.arange(10**10)",
    "large index": "torch.ones(2000, 2000)[torch.zeros(10**5, dtype=torch.long)]",
    "large matmul": "a = torch.ones(2000, 2000)\nwhile True: a @ a",
    "large cat": "a = torch.ones(10**6)\ntorch.cat([a] * 1000)",
    "tensors kept": "a = []\nwhile True: a.append(torch.ones(10**6))",
    "views kept of many": "a = []\nwhile True: a.append(torch.ones(10**6)[0])",
    "tensors kept in closures": "def f(x):\n    return lambda: x\na = []\nwhile True: a.append(f(torch.ones(10**6)))",
    "graph kept": "x = torch.ones(1000, requires_grad=True)\ny = x\nwhile True: y = y * 1.5",
    "large batch": "torch.func.vmap(lambda v: v[:, None] * v)(torch.ones(1000, 1000))",
    "large jacobian": "torch.func.jacrev(lambda v: v * 2)(torch.ones(10**4))",
    "large functional jacobian": "torch.autograd.functional.jacobian(lambda v: v * 2, torch.ones(10**4))",
    "large hessian": "torch.func.hessian(lambda v: (v ** 3).sum())(torch.ones(10**4))",
    "large decomposition": "torch.linalg.svd(torch.ones(2000, 2000))\nwhile True: torch.linalg.svd(torch.ones(1000, 1000))",
    "hooks kept": "x = torch.ones(1, requires_grad=True)\nwhile True: x.register_hook(lambda g: None)",
    "prints": "while True: print('x' * 10000)",
    "empty prints": "while True: print(end='')",
    "assertion of much": "assert False, 'x' * 10**9",
    "objects kept": "class A: pass\na = []\nwhile True:\n    b = A()\n    b.x = [1] * 1000\n    a.append(b)",
    "parameters of an optimizer": "p = [torch.ones(1000000, requires_grad=True) for i in range(1000)]\ntorch.optim.Adam(p)",
    "sets of sets": "s = set()\nwhile True: s = s | {len(s)}",
}  # fmt: skip
UNREADABLE = {
    "brackets": "(" * 5000,
    "closed brackets": "(" * 250 + "1" + ")" * 250,
    "lists": "[" * 95 + "]" * 95,
    "minus signs": "-" * 20000 + "1",
    "nots": "not " * 10000 + "1",
    "sums": "+".join(["1"] * 20000),
    "attributes": "x" + ".a" * 20000,
    "calls": "x" + "()" * 20000,
    "lambdas": "lambda: " * 5000 + "1",
    "conditions": "1 if 1 else " * 5000 + "1",
    "powers": "2**" * 10000 + "2",
    "indents": "\n".join(" " * i + "if 1:" for i in range(99)) + "\n" + " " * 99 + "pass",
    "comparisons of functions": "f(" * 300 + ")" * 300,
    "f-strings": "f'{" * 200,
    "long": "x = 1\n" * 20000,
    "null": "x = 1\0",
    "digits": "9" * 5000,
    "backslash": "\\",
    "decorators": "@a\n" * 1000,
    "elif": "if 1: pass\n" + "elif 1: pass\n" * 3000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_it_is_stopped(name: str) -> None:
    session = Session("s", seed=0, limits=LIMITS)
    before = digest(session)
    with pytest.raises(ServiceError) as found, session.begin(batch=True) as tx:
        run_cell(tx, Cell(BOMBS[name]), budget_of(tx))
    assert found.value.members["line"] >= 1
    assert digest(session) == before


@pytest.mark.parametrize("name", UNREADABLE)
def test_it_is_not_read(name: str) -> None:
    with pytest.raises(ServiceError) as found:
        Cell(UNREADABLE[name])
    assert found.value.detail


DEEP = {
    "lists": "a = None\nfor i in range(100000): a = [a]",
    "tuples": "a = None\nfor i in range(100000): a = (a,)",
    "dicts": "a = None\nfor i in range(100000): a = {0: a}",
    "objects": "class N: pass\na = None\nfor i in range(50000):\n    b = N()\n    b.next = a\n    a = b",
    "functions": "a = None\nfor i in range(50000): a = lambda a=a: a",
    "closures": "def make(f):\n    return lambda: f\na = None\nfor i in range(30000): a = make(a)",
    "iterators": "a = iter([1])\nfor i in range(50000): a = (x for x in a)",
    "maps": "a = iter([1])\nfor i in range(50000): a = map(abs, a)",
    "errors": "a = None\nfor i in range(50000): a = ValueError(a)",
    "methods": "class N:\n    def __init__(self, n): self.n = n\n    def f(self): pass\na = None\nfor i in range(30000): a = N(a).f",
    "decorated": "a = lambda: 1\nfor i in range(30000): a = torch.no_grad()(a)",
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_deep_is_kept_measured_and_let_go(name: str) -> None:
    session = Session("s", seed=0)
    for code in (DEEP[name], "a = 1"):
        with session.begin(batch=True) as tx:
            run_cell(tx, Cell(code), budget_of(tx))
            tx.commit()
        session.measure()
        digest(session)
    assert session.values["a"] == 1
