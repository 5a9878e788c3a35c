"""What nodes get of the service: up to date, small, and called as before."""

from __future__ import annotations

import pytest
from payload import PAYLOAD, make_payload, minify_package


def minify_one(source: str) -> str:
    """One module, made small."""
    return minify_package({"module.py": source})["module.py"]


def test_what_nodes_get_is_up_to_date() -> None:
    """It is what srekv/app is now, the same bytes on every Python."""
    assert PAYLOAD.read_text() == make_payload(), "make payload writes it"


def test_flask_may_pass_the_key() -> None:
    """It calls a view with the parts of the path by keyword: what the view calls them stays."""
    assert all(f"def {view}(self,key)" in PAYLOAD.read_text() for view in ("get_key", "put_key", "delete_key"))


@pytest.mark.parametrize(
    ("source", "small"),
    [
        ('"""What."""\n\n\ndef f() -> None:\n    """More."""\n    g()  # why\n', "def f():g()\n"),
        ("from typing import Any, List\nx: Any = List\n", "from typing import List\nx=List\n"),
        ("def f(key, other):\n    return key + other\n", "def f(A,B):return A+B\n"),
        (
            "def f(key, *, other):\n    return key, other\nf(1, other=2)\n",
            "def f(A,*,other):return A,other\nf(1,other=2)\n",
        ),
        ("def f(a, key, other):\n    g(a)\nf(1, key=2, other=3)\n", "def f(A,key,other):g(A)\nf(1,key=2,other=3)\n"),
        ("def f(url, **rest):\n    g(url)\n", "def f(url,**A):g(url)\n"),
        (
            "def f():\n    @route\n    def health(key):\n        g(key)\n",
            "def f():\n\t@route\n\tdef health(key):g(key)\n",
        ),
        ("class A:\n    def f(self):\n        self.x = 1\n", "class A:\n\tdef f(self):self.x=1\n"),
        ("_LONG = 1\nPUBLIC = _LONG\n", "A=1\nPUBLIC=A\n"),
    ],
)
def test_what_goes_and_what_stays(source: str, small: str) -> None:
    """Names stay that another module, a keyword, a framework's keyword or an endpoint needs."""
    assert minify_one(source) == small


def test_a_keyword_counts_in_every_module() -> None:
    """A parameter that another module names is kept."""
    small = minify_package({"a.py": "def f(key):\n    return key\n", "b.py": "from a import f\nf(key=1)\n"})
    assert small["a.py"] == "def f(key):return key\n"


def test_a_text_in_the_braces_of_an_f_string_is_refused() -> None:
    """Made small by Python 3.12 it has the f-string's own quotes, which no earlier Python can read."""
    with pytest.raises(ValueError, match=r"^module\.py: put 'none' into a variable"):
        minify_one("x = f\"{y or 'none'}\"\n")


def test_a_later_python_is_refused() -> None:
    """Nodes of Amazon Linux 2 run Python 3.8."""
    with pytest.raises(SyntaxError):
        minify_one("match x:\n    case []: pass\n")
