"""The MCP conformance suite's client leg, run against our client.

``python -m tests.conformance.suite`` runs every scenario that the two revisions require and prints
a table. It fails if a scenario fails without a reason in ``EXPECTED_FAILURES``, or passes with one.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.aimock import NODE_ROOT, find_node

PACKAGE = NODE_ROOT / "node_modules" / "@modelcontextprotocol" / "conformance"
CLIENT = Path(__file__).parent / "mcp_client.py"
REVISIONS = ("2025-11-25", "2026-07-28")
TIMEOUT_S = 120
CHECKS = re.compile(r"^Passed: (\d+)/(\d+), (\d+) failed, (\d+) warnings", re.MULTILINE)

EXPECTED_FAILURES: dict[tuple[str, str], str] = {}
"""Why a scenario of a revision fails."""


@dataclass(frozen=True)
class Outcome:
    """How a scenario went: whether it passed, its checks, and what the suite printed."""

    passed: bool
    checks: str
    output: str


def required(revision: str) -> list[str]:
    """Return the scenarios that a revision requires of clients."""
    return yaml.safe_load((PACKAGE / "requirements" / f"{revision}.yaml").read_text())["client"]


def run(revision: str, scenario: str) -> Outcome:
    """Run one scenario in a revision."""
    command = [
        str(find_node()),
        str(PACKAGE / "dist" / "index.js"),
        "client",
        *("--command", f"{sys.executable} {CLIENT}"),
        *("--scenario", scenario),
        *("--spec-version", revision),
        *("--timeout", str(TIMEOUT_S * 1000)),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S + 30,
        env={"PYTHONPATH": str(NODE_ROOT.parents[1]), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    output = done.stdout + done.stderr
    checks = CHECKS.search(output)
    counts = f"{checks[1]}/{checks[2]}" if checks else "-"
    return Outcome("OVERALL: PASSED" in output, counts, output)


def main() -> int:
    """Run everything; return the exit status."""
    wrong = 0
    for revision in REVISIONS:
        scenarios = required(revision)
        passed = 0
        for scenario in scenarios:
            outcome = run(revision, scenario)
            reason = EXPECTED_FAILURES.get((revision, scenario), "")
            passed += outcome.passed
            wrong += outcome.passed == bool(reason)
            verdict = "passed" if outcome.passed else "FAILED"
            print(
                f"{revision}  {scenario:40}  {verdict}  {outcome.checks:>6}  {reason}", flush=True
            )
        print(f"{revision}  {passed} of {len(scenarios)} required scenarios passed\n", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
