"""Every rule of AWS's behaviour, where it was recorded, and what shows that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from srekv.conformance.cases.catalogue import CASES
from srekv.conformance.layer import enforced_rules
from srekv.conformance.model import RULES

TESTS = Path(__file__).parents[2] / "tests"
PLACES = ("unit/conformance/test_rules*.py", "contract/test_layer.py", "contract/test_credentials.py")
"""Where laws are tested by themselves."""

HEAD = """\
# How AWS answers

What an emulator forgives, AWS does not. These are the rules that srekv is held to, each with the place where AWS's
answer was recorded or is documented.

- **layer**: a law in `srekv/conformance/` lets any backend behave so, at botocore's event hooks: seeded, and counted
  in looks where AWS takes seconds. The tests of provisioning run behind it. Without a law, emulators answer so already.
- **shown by**: `case` is a question of `srekv conformance` with the recorded answer: put to moto behind the layer in
  the tests, to the local cloud by the command, to an account by `srekv --target aws conformance --in-my-account`
  (`case, launches`: with `--expensive` only). Other names are tests.
- **rows** name the table of recorded answers from which srekv was built: R Route 53, E EC2, I IAM, B DynamoDB, S SSM
  and CloudWatch, T tagging, C credentials; `aws-facts` its table of documented behaviour; `assumed`: nobody recorded
  it. `owner/repo#n` is an issue on GitHub, cdk-preflight is badmintoncryer/cdk-preflight, localstack and moto are
  their tests that were run on AWS.

Nobody has put the cases to a real account yet: the project has none. A difference there is a mistake here.

Made by `make reference` from the code; a test holds it equal.

| rule | says | rows | source | layer | shown by |
|---|---|---|---|---|---|
"""


def conformance() -> str:
    """The whole page."""
    return HEAD + "".join(f"| {' | '.join(_cell(cell) for cell in row)} |\n" for row in rows())


def rows() -> Iterator[tuple[str, ...]]:
    """One row a rule."""
    enforced = enforced_rules()
    texts = {path: path.read_text() for place in PLACES for path in sorted(TESTS.glob(place))}
    for rule in RULES.values():
        shown = [*_cases(rule.id), *_tests(rule.id, texts.items())]
        layer = "yes" if rule.id in enforced else ""
        yield f"`{rule.id}`", rule.says, " ".join(rule.rows), rule.source, layer, ", ".join(shown)


def _cases(rule: str) -> Iterator[str]:
    for case in CASES:
        if rule in {case.id, case.law}:
            words = "case" if case.id == rule else f"case {case.id}"
            yield words + (", launches" if case.expensive else "")


def _tests(rule: str, texts: Iterable[tuple[Path, str]]) -> Iterator[str]:
    """Test modules that name the rule in a text of theirs."""
    for path, text in texts:
        if any(f"{before}{rule}{after}" in text for before, after in (('"', '"'), ("Rule ", ":"), (" and ", ":"))):
            yield path.relative_to(TESTS).as_posix()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
