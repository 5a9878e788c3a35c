"""Making source small: what goes, what stays, and that it remains the same program."""

from __future__ import annotations

import pytest

from srekv.provision.packing import bare


@pytest.mark.parametrize(
    ("source", "small"),
    [
        ("x = 1  # why\n", "x = 1\n"),
        ('"""What."""\nx = 1\n', '""\nx = 1\n'),
        ('def f():\n    """What.\n\n    More.\n    """\n', 'def f():\n ""\n\n\n\n'),
        ("def f(a: int, *b: str, c: bool = True) -> None:\n    pass\n", "def f(a, *b, c=True):\n pass\n"),
        ("def f(ö: int, é: 'ä' = 1) -> 'ü': pass\n", "def f(ö, é = 1): pass\n"),
        ("def f(a: int) -> Dict[\n    str, int\n]:\n    pass\n", "def f(a):\n\n\n pass\n"),
        ("x: int = 1\nself.y: Deque[int] = z\n", "x = 1\nself.y = z\n"),
        ("class A:\n    x: int = 1\n    y: str\n", "class A:\n x: int = 1\n y: str\n"),
        ("def f():\n    x: int\n", "def f():\n x: int\n"),
        ('if a:\n    x = """one\n    two"""\n', 'if a:\n x = """one\n    two"""\n'),
        ('if a:\n    x = f"""one {\n        b}\n    two"""\n', 'if a:\n x = f"""one {\n        b}\n    two"""\n'),
        ("x = 'no # comment'\n", "x = 'no # comment'\n"),
    ],
)
def test_what_goes_and_what_stays(source: str, small: str) -> None:
    """Comments, docstrings, annotations that nothing reads and wide indents go; strings and line numbers stay."""
    assert bare(source) == small.replace("c=True", "c = True")
    assert bare(source).count("\n") == source.count("\n")


def test_what_is_small_stays() -> None:
    """Made small again, it is the same."""
    small = bare('def f(a: int) -> int:\n    """What."""\n    return a  # why\n')
    assert bare(small) == small
