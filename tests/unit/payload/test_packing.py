"""Making source small: what goes, what stays, and that it remains the same program."""

from __future__ import annotations

import ast
from importlib import resources

import pytest
from payload.__main__ import PAYLOAD, payload
from payload.packing import bare


def small(source: str) -> str:
    """One module, made small."""
    return bare({"module.py": source})["module.py"]


@pytest.mark.parametrize(
    ("source", "packed"),
    [
        ("x = 1  # why\n", "x=1\n"),
        ('"""What."""\nx = 1\n', '""\nx=1\n'),
        ('def f():\n    """What.\n\n    More.\n    """\n', 'def f():\n ""\n\n\n\n'),
        ("def f(a: int, *b: str, c: bool = True) -> None:\n    pass\n", "def f(a,*b,c=True):\n pass\n"),
        ("def f(ö: int, é: 'ä' = 1) -> 'ü': pass\n", "def f(ö,é=1):pass\n"),
        ("def f(a: int) -> Dict[\n    str, int\n]:\n    pass\n", "def f(a):\n\n\n pass\n"),
        ("x: int = 1\ny.z: Deque[int] = x\n", "x=1\ny.z=x\n"),
        ("class A:\n    x: int = 1\n    y: str\n", "class A:\n x:int=1\n y:str\n"),
        ("from typing import Any, List\nx: Any = List\n", "from typing import List\nx=List\n"),
        ("from typing import Any\nx: Any = 1\n", "\nx=1\n"),
        ('if a:\n    x = """one\n    two"""\n', 'if a:\n x="""one\n    two"""\n'),
        ('if a:\n    x = f"""one {\n        b}\n    two"""\n', 'if a:\n x=f"""one {\n        b}\n    two"""\n'),
        ("x = 'no # comment'\n", "x='no # comment'\n"),
        ("x = 1 if a else 'b' 'c'\n", "x=1 if a else 'b' 'c'\n"),
        ("if not (a and -b):\n    return [1, .5] or b''\n", "if not(a and-b):\n return[1,.5]or b''\n"),
    ],
)
def test_what_goes_and_what_stays(source: str, packed: str) -> None:
    """Comments, docstrings, annotations that nothing reads, blanks go; strings and line numbers stay."""
    assert small(source) == packed
    assert packed.count("\n") == source.count("\n")


@pytest.mark.parametrize(
    ("source", "packed"),
    [
        ("def f(key, *, other=1):\n    long = key\n    return long\n", "def f(key,*,other=1):\n a=key\n return a\n"),
        ("long = 1\ndef f():\n    long = 2\n", "long=1\ndef f():\n long=2\n"),
        ("def f(long):\n    g(long=long, x=long.long)\n", "def f(long):\n g(long=long,x=long.long)\n"),
        ("def f():\n    long = 1\n    g(long=long, x=long.long)\n", "def f():\n a=1\n g(long=a,x=a.long)\n"),
        ("def f():\n    long = 1\n    return f'{long!r} {g(long):x} long {long[:8]}'\n",) * 1
        + ("def f():\n a=1\n return f'{a!r} {g(a):x} long {a[:8]}'\n",),
        ("def f():\n    print = a = 1\n", "def f():\n print=a=1\n"),
        ("def f():\n    global long\n    long = 1\n", "def f():\n global long\n long=1\n"),
        (
            "class A:\n    long = 1\n    def f(self):\n        self._long = 1\n",
            "class A:\n long=1\n def f(a):\n  a._a=1\n",
        ),
        ("_long = 1\n__slots__ = ('_long',)\nx = f'{_long}'\n", "_a=1\n__slots__=('_a',)\nx=f'{_a}'\n"),
        ("import long\ndef f():\n    for long in x: pass\n", "import long\ndef f():\n for long in x:pass\n"),
        ("def f():\n    try: pass\n    except E as long: long\n", "def f():\n try:pass\n except E as a:a\n"),
        ("f = lambda long: [long for b in long]\n", "f=lambda long:[long for b in long]\n"),
    ],
)
def test_which_names_become_short(source: str, packed: str) -> None:
    """Variables of functions and names with an underscore; never what others may call by name."""
    assert small(source) == packed


def test_private_names_are_the_same_everywhere() -> None:
    """A module that uses another's private name still finds it."""
    packed = bare({"a.py": "_long = 1\n", "b.py": "import a\nx = a._long, a._other\n"})
    assert packed == {"a.py": "_a=1\n", "b.py": "import a\nx=a._a,a._b\n"}


def test_what_nodes_get_is_up_to_date() -> None:
    """It is what srekv/app is now, the same bytes on every Python."""
    assert PAYLOAD.read_text() == payload(), "make payload writes it"


def shape(source: str) -> list[tuple[str, int]]:
    """Every part of the program but docstrings, annotations, names, in order and with its line."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    ignored = (ast.AnnAssign, ast.Assign, ast.ImportFrom, ast.alias, ast.Constant, ast.Name, ast.Subscript, ast.Tuple)
    return [
        (type(node).__name__, node.lineno)
        for node in ast.walk(tree)
        if hasattr(node, "lineno") and not isinstance(node, ignored) and not isinstance(node, (ast.Attribute, ast.Load))
    ]


def test_the_service_stays_the_same_program() -> None:
    """Each statement and call of it stays, on its line."""
    sources = {one.name: one.read_text() for one in resources.files("srekv.app").iterdir() if one.name.endswith(".py")}
    for name, text in bare(sources).items():
        assert shape(text) == shape(sources[name]), name
