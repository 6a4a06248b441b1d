"""Every house rule over the whole tree, and over snippets that it must refuse or let pass."""

from __future__ import annotations

import pytest

from tests.house.rules import RULES
from tests.house.source import Source, sources

UNDONE = "TO" + "DO"
HOST = "https://files." + "python" + "hosted.org/simple"
MACHINE = "/" + "root/project/run.py"

REFUSED = [
    ("one_sitting", "engine/long.py", "x = 1\n" * 501),
    ("named_for_its_noun", "service/utils.py", ""),
    ("named_for_its_noun", "engine/ops/_helpers.py", ""),
    ("named_for_its_noun", "service/common/lanes.py", ""),
    ("nothing_left_undone", "engine/walk.py", f"x = 1  # {UNDONE} later\n"),
    ("nothing_left_undone", "README.md", f"{UNDONE}: write this\n"),
    ("no_machine_paths", "Makefile", f"run:\n\tpython {MACHINE}\n"),
    ("no_machine_paths", "tests/test_a.py", 'PATH = "/home/' + 'ada/tree/x"\n'),
    ("no_registry_hosts", "requirements.lock", f"--index-url {HOST}\n"),
    ("promise_is_sorted", "engine/a.py", '__all__ = ["b", "a"]\n'),
    ("promise_is_sorted", "engine/a.py", '__all__ = ["a", "B"]\n'),
    ("promise_is_sorted", "engine/a.py", '__all__: list[str] = ["a", "a"]\n'),
    ("promise_is_kept", "engine/a.py", '__all__ = ["a"]\n\ndef a(): ...\n\ndef b(): ...\n'),
    ("promise_is_kept", "service/steps/a.py", '__all__ = ["a"]\na = 1\n\n@dataclass\nclass B: ...\n'),
    ("no_text_is_executed", "service/scripts/run.py", "exec(code)\n"),
    ("no_text_is_executed", "service/scripts/run.py", "f = eval\n"),
    ("no_text_is_executed", "engine/walk.py", "import builtins\nbuiltins.exec('1')\n"),
    ("no_unsafe_loading", "service/journal/records.py", "import pickle\n"),
    ("no_unsafe_loading", "service/wire/npy.py", "import numpy as np\nnp.load(f, allow_pickle=True)\n"),
    ("no_unsafe_loading", "tests/test_a.py", "from yaml import load\n"),
    ("randomness_has_a_seed", "engine/ops/sample.py", "import numpy as np\nx = np.random.rand(2)\n"),
    ("randomness_has_a_seed", "tests/test_a.py", "import numpy as np\nx = np.random.default_rng()\n"),
    ("randomness_has_a_seed", "service/sessions/ids.py", "import random\n"),
    ("rows_stand_alone", "engine/ops/reduce.py", "from engine.ops import pointwise\n"),
    ("rows_stand_alone", "engine/ops/reduce.py", "from engine.ops.pointwise import mul\n"),
    ("rows_stand_alone", "engine/ops/reduce.py", "from . import pointwise\n"),
    ("rules_use_operators", "engine/ops/a.py", '@op("f", vjp={"x": lambda g, x: g * np.cos(x)})\ndef f(x): return x\n'),
    ("rules_use_operators", "engine/ops/a.py", "def _rule(g, x): return np.cos(x)\nrow = op('f', vjp={'x': _rule})\n"),
    ("imports_by_the_table", "service/api/routes/ops.py", "from service.journal.memory import Journal\n"),
    ("imports_by_the_table", "service/api/routes/ops.py", "from service import executors\n"),
    ("imports_by_the_table", "service/sessions/session.py", "def f():\n    import sqlite3_extension\n"),
    ("imports_by_the_table", "service/journal/sqlite.py", "import psycopg\n"),
    ("imports_by_the_table", "service/wire/npy.py", "from engine.tensor import Tensor\n"),
    ("imports_by_the_table", "service/newcomer/door.py", ""),
    ("imports_by_the_table", "engine/tensor.py", "import pydantic\n"),
    ("imports_by_the_table", "engine/tensor.py", "import scipy.special\n"),
    ("imports_by_the_table", "engine/tensor.py", "from engine.ops import pointwise\n"),
    ("only_main_imports_app", "service/api/router.py", "from service.app import create_app\n"),
    ("only_main_imports_app", "service/api/router.py", "from service import app\n"),
    ("skips_say_what_they_need", "tests/test_a.py", "import pytest\npytest.skip('not today')\n"),
    ("skips_say_what_they_need", "tests/test_a.py", "@pytest.mark.skipif(True, reason='slow')\ndef test(): ...\n"),
    ("skips_say_what_they_need", "tests/test_a.py", "import pytest\ntorch = pytest.importorskip('torch')\n"),
]

PASSED = [
    ("one_sitting", "engine/long.py", "x = 1\n" * 500),
    ("named_for_its_noun", "engine/database.py", ""),
    ("no_machine_paths", "docker/Dockerfile", "WORKDIR /build\nCOPY --from=build /opt/gradwire /opt/gradwire\n"),
    ("promise_is_sorted", "engine/a.py", '__all__ = ["OPS", "Op", "int8", "int16", "op"]\n'),
    ("promise_is_kept", "engine/a.py", '__all__ = ["a"]\n\ndef a(): ...\n\ndef _b(): ...\n'),
    ("promise_is_kept", "engine/a.py", '__all__ = ["OPS"]\n\n@op("f")\ndef f(): ...\n'),
    ("no_text_is_executed", "engine/plan.py", "exec(code)\n"),
    ("no_text_is_executed", "engine/dtypes.py", "import re\nre.compile('a')\n"),
    ("no_unsafe_loading", "service/wire/npy.py", "import numpy as np\nnp.load(f, allow_pickle=False)\n"),
    ("randomness_has_a_seed", "engine/generator.py", "r = np.random.Generator(np.random.Philox(7))\n"),
    ("rows_stand_alone", "engine/ops/reduce.py", "from engine.rules import rules\n"),
    ("rules_use_operators", "engine/ops/a.py", '@op("f", vjp={"x": lambda g, x: g * rules.cos(x)})\ndef f(x): ...\n'),
    ("imports_by_the_table", "service/journal/postgres.py", "import psycopg\n"),
    ("imports_by_the_table", "service/api/routes/ops.py", "from engine import picture\nimport service.steps\n"),
    ("imports_by_the_table", "engine/__init__.py", "from engine import ops as _ops\n"),
    ("only_main_imports_app", "service/__main__.py", "from service.app import create_app\n"),
    ("skips_say_what_they_need", "tests/test_a.py", "import pytest\nwhy = 'needs torch'\npytest.skip(why)\n"),
    ("skips_say_what_they_need", "tests/test_a.py", "import pytest\ndef f(name): pytest.skip(f'needs {name}')\n"),
]  # fmt: skip


def findings(name: str, source: Source) -> list[str]:
    return [f"{source.path}:{line}: {what}" for line, what in RULES[name](source)]


@pytest.mark.parametrize("name", RULES)
def test_the_tree_keeps_the_rule(name: str) -> None:
    broken = [finding for source in sources() for finding in findings(name, source)]
    assert not broken, "\n".join([f"{name}: {RULES[name].__doc__}", *broken])


@pytest.mark.parametrize(("name", "path", "text"), REFUSED)
def test_the_rule_refuses(name: str, path: str, text: str) -> None:
    assert findings(name, Source(path, text))


@pytest.mark.parametrize(("name", "path", "text"), PASSED)
def test_the_rule_lets_pass(name: str, path: str, text: str) -> None:
    assert findings(name, Source(path, text)) == []


@pytest.mark.parametrize("name", RULES)
def test_every_rule_names_its_bug_and_has_been_seen_to_fail(name: str) -> None:
    assert (RULES[name].__doc__ or "").startswith("Prevents: ")
    assert name in {refused for refused, _, _ in REFUSED}


def test_the_tree_is_read() -> None:
    assert {"pyproject.toml", "engine/__init__.py", "tests/house/rules.py"} <= {source.path for source in sources()}
