"""The tests on PostgreSQL 13 to 18: what `python3 tasks.py test --versions` runs.

With --part only what is most likely to differ between versions.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from servers import RELEASES, NoServerError, older_binaries

from seqguard.demo.server import embedded_binaries

ROOT = Path(__file__).resolve().parent.parent
NEWEST = 18
PART = [
    "concurrency/test_fix_under_writers", "concurrency/test_guard_under_writers",
    "integration/test_column_types", "integration/test_guard", "integration/test_guard_blocks",
    "integration/test_guard_columns", "integration/test_guard_hostile", "integration/test_guard_rights",
    "integration/test_logical_replication", "integration/test_script", "integration/test_unreadable",
]  # fmt: skip
ENDS = [
    "integration/test_dump_across_versions", "integration/test_guard_ddl", "integration/test_guard_life",
    "integration/test_readers", "integration/test_shapes", "integration/test_standby", "security/test_event_trigger",
    "security/test_inserter", "security/test_table_owner",
]  # fmt: skip
"""More of the part, on the oldest version and on the last before the newest."""


@dataclass(frozen=True)
class Outcome:
    """What pytest says of a run."""

    server: str
    passed: int
    skipped: int
    failed: int
    seconds: float
    good: bool

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.skipped} skipped, {self.failed} failed"
        return f"{self.server}: {counts}, {self.seconds:.0f} s"


def binaries(major: int) -> Path:
    """The bin folder of a version; fetched first when need be."""
    return embedded_binaries() if major == NEWEST else older_binaries(major)


def name_of(programs: Path, major: int) -> str:
    """What a server says it is: PostgreSQL and its version."""
    words = subprocess.check_output([programs / "postgres", "--version"], text=True).split()
    name = " ".join(words[1:]).strip("()").replace(")", "")
    if not name.startswith(f"PostgreSQL {major}."):
        raise NoServerError(f"{programs} holds {name}, not {major}")
    return name


def test(major: int, paths: list[str]) -> Outcome:
    """Run pytest on a version."""
    programs = binaries(major)
    server = name_of(programs, major)
    print(f"\n{server}", flush=True)
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junit-xml={report.name}", *paths]
        code = subprocess.call(command, cwd=ROOT, env={**os.environ, "SEQGUARD_TEST_BIN": str(programs)})
        return outcome(server, Path(report.name), good=code == 0)


def outcome(server: str, report: Path, *, good: bool) -> Outcome:
    """Read pytest's report; it is empty when pytest did not get as far."""
    suite = ET.parse(report).getroot().find("testsuite") if report.stat().st_size else None
    if suite is None:
        return Outcome(server, 0, 0, 0, 0, good=False)
    total, skipped, *bad = (int(suite.attrib[name]) for name in ("tests", "skipped", "failures", "errors"))
    passed = total - skipped - sum(bad)
    return Outcome(server, passed, skipped, sum(bad), float(suite.attrib["time"]), good and passed > 0)


def part(major: int) -> list[str]:
    """The files of the part on a version."""
    names = [*PART, *ENDS] if major in {min(RELEASES), max(RELEASES)} else PART
    return [f"tests/{name}.py" for name in names]


def major(text: str) -> int:
    """A version there is a server of."""
    if text not in map(str, [*RELEASES, NEWEST]):
        raise argparse.ArgumentTypeError(f"{text} is none of 13 to {NEWEST}")
    return int(text)


def main() -> None:
    """Test each version, then tell how it went, one line each."""
    parser = argparse.ArgumentParser(prog="python3 tasks.py test --versions", description=__doc__)
    parser.add_argument("majors", nargs="*", type=major, metavar="MAJOR", help="13 to 18; all without")
    parser.add_argument(
        "--part", action="store_true", help=f"only {', '.join(PART)}; on 13 and 17 {', '.join(ENDS)}, too"
    )
    options = parser.parse_args()
    try:
        outcomes = [test(it, part(it) if options.part else []) for it in options.majors or [*RELEASES, NEWEST]]
    except NoServerError as error:
        sys.exit(f"versions: {error}")
    print("", *outcomes, sep="\n")
    sys.exit(not all(it.good for it in outcomes))


if __name__ == "__main__":
    main()
