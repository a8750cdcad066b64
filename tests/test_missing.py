"""`tests.missing`: the last lines of a run say what was not tested for want of a server, and what to do about it."""

from __future__ import annotations

import pytest

from tests.missing import leave_out, summary
from tests.tools import ROOT

pytest_plugins = ["pytester"]

LACKING = ("PostgreSQL does not answer: refused", "Start one, or give the URL of one in TCSS_TEST_POSTGRES_URL")
REASON = "PostgreSQL does not answer: refused. Start one, or give the URL of one in TCSS_TEST_POSTGRES_URL."


def test_a_test_is_skipped_and_under_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the same reason."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=REASON):
        leave_out(*LACKING)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=REASON):
        leave_out(*LACKING)


def test_the_summary_counts_each_reason() -> None:
    """Where nothing was skipped, it says nothing."""
    assert summary([]) == []
    assert summary([f"Skipped: {REASON}", "Skipped: no root", f"Skipped: {REASON}"]) == [
        "Not tested on this machine:",
        f"  2 tests: {REASON}",
        "  1 test: no root",
    ]


INNER = """
import pytest

from tests.warehouses import SERVERS, place

@pytest.mark.parametrize("kind", SERVERS)
def test_a_server(kind, tmp_path):
    with place(kind, tmp_path):
        raise AssertionError("this test ran")

@pytest.mark.thorough
def test_long():
    raise AssertionError("this test ran")

@pytest.mark.thorough("much")
@pytest.mark.parametrize("size", ["little", "much"])
def test_two(size):
    assert size == "little"
"""


def test_the_last_lines_of_a_run_say_what_it_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both servers away; long tests and long cases are not run."""
    monkeypatch.delenv("CI", raising=False)
    for name, scheme in (("POSTGRES", "postgresql"), ("MYSQL", "mysql")):
        monkeypatch.setenv(f"TCSS_TEST_{name}_URL", f"{scheme}://nobody@127.0.0.1:1/none")
    file = pytester.makepyfile(INNER)
    done = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", str(file)
    )
    done.assert_outcomes(passed=1, skipped=2, deselected=2)
    last = [line for line in done.outlines if line][-4:-1]
    assert last[0] == "Not tested on this machine:"
    assert last[1].startswith("  1 test: MariaDB or MySQL does not answer: ")
    assert last[1].endswith(". Start one, or give the URL of one in TCSS_TEST_MYSQL_URL.")
    assert last[2].endswith(". Start one, or give the URL of one in TCSS_TEST_POSTGRES_URL.")
