#!/usr/bin/env python3
"""The developers' task file: python3 tasks.py TASK [ARGUMENT...]. Needs Python 3.11 and nothing else.

Every task first makes .venv and installs the project in it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
PACKAGES = {"mariadbd": "mariadb-server"}
"""Debian's package of a program, where it has another name."""
BENCHES = ("guard", "check", "writer", "binlog", "kafka")
"""What `bench` measures when none is named: what it takes and how fast it is. All of them know --quick and --keep."""


def run(*command: str | Path) -> None:
    """Run a command in the project's folder; stop with its exit code when it fails."""
    code = subprocess.call([str(part) for part in command], cwd=ROOT)
    if code:
        sys.exit(code)


def setup(_arguments: list[str]) -> None:
    """Make .venv and install the project, its extras and the developers' tools."""
    stamp = VENV / "installed"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("setting up .venv ...", file=sys.stderr)
    if not PYTHON.exists():
        make_venv()
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip>=25.1")
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--editable", f"{ROOT}[demo,kafka]", "--group", "dev")  # fmt: skip
    stamp.write_text(wanted)


def make_venv() -> None:
    """Make .venv. Debian's Python needs the package python3-venv for it, which root can install here."""
    if not importlib.util.find_spec("ensurepip"):
        install("this Python makes no virtual environments", "python3-venv")
    run(sys.executable, "-m", "venv", VENV)


def install(reason: str, *packages: str) -> None:
    """Install Debian packages as root; anybody else is told to."""
    if not may_install():
        sys.exit(f"{reason}: apt-get install {' '.join(packages)} as root, then run again")
    run("apt-get", "update", "-qq")
    run("env", "DEBIAN_FRONTEND=noninteractive",
        "apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages)  # fmt: skip


def may_install() -> bool:
    """Whether Debian packages can be installed here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def need(*programs: str) -> None:
    """Programs of Debian packages; installed when they are missing."""
    missing = [name for name in programs if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if missing:
        install(f"missing: {', '.join(missing)}", *(PACKAGES.get(name, name) for name in missing))


def need_plpgsql_check() -> None:
    """A PostgreSQL with plpgsql_check; its test is skipped where Debian has none, and for anybody but root."""
    there = any(Path("/usr/share/postgresql").glob("*/extension/plpgsql_check.control"))
    if not there and may_install():
        run("apt-get", "update", "-qq")
        names = ["apt-cache", "search", "--names-only", "^postgresql-[0-9]+-plpgsql-check$"]
        found = subprocess.run(names, capture_output=True, text=True, check=True).stdout.split()
        if found:
            install("", found[0])


def demo(arguments: list[str]) -> None:
    """Tell the story on a throwaway PostgreSQL."""
    run(BIN / "seqguard", "demo", *arguments)


def example(_arguments: list[str]) -> None:
    """Run examples/legacy-revamp here: MariaDB, PostgreSQL, and the sync between them."""
    need("mariadbd")
    run(PYTHON, ROOT / "examples" / "legacy-revamp" / "run.py")


def lint(_arguments: list[str]) -> None:
    """Style of Python and SQL, types, and the direction of imports."""
    run(BIN / "ruff", "check")
    run(BIN / "ruff", "format", "--check")
    run(BIN / "sqlfluff", "lint", "--disable-progress-bar", "src/seqguard/sql")
    run(BIN / "mypy")
    run(BIN / "lint-imports")


def test(arguments: list[str]) -> None:
    """Lint, every test, part of them on 13 to 17; or pytest with arguments; or --versions [13 14 ...]."""
    versions = ROOT / "tests" / "versions.py"
    if arguments[:1] == ["--versions"]:
        need("npm", "pgbouncer", "mariadbd", "docker-compose")
        need_plpgsql_check()
        run(PYTHON, versions, *arguments[1:])
    elif arguments:
        run(PYTHON, "-m", "pytest", *arguments)
    else:
        need("npm", "pgbouncer", "mariadbd", "docker-compose")
        need_plpgsql_check()
        lint([])
        run(PYTHON, ROOT / "tests" / "servers.py")
        run(PYTHON, "-m", "pytest", "-n", "2", "-q")
        run(PYTHON, versions, "--part", "13", "14", "15", "16", "17")


def bench(arguments: list[str]) -> None:
    """Measure guard, check, writer, binlog and kafka, or one named, also: instructions, stress, crash; --keep."""
    if subprocess.run([PYTHON, "-c", "import matplotlib"], check=False, stderr=subprocess.DEVNULL).returncode:
        run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--group", "bench")
    named = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    for name in named or BENCHES:
        if name == "binlog":
            need("mariadbd")
        run(PYTHON, ROOT / "bench" / f"{name}.py", *arguments[len(named) :])


def build(_arguments: list[str]) -> None:
    """Write what is generated: sql/, docs/commands.md and the example's script."""
    run(PYTHON, ROOT / "tests" / "generated.py")


def format_(_arguments: list[str]) -> None:
    """Reformat the Python code and apply safe fixes."""
    run(BIN / "ruff", "check", "--fix")
    run(BIN / "ruff", "format")


TASKS = {
    "setup": setup, "demo": demo, "example": example, "test": test, "lint": lint,
    "format": format_, "build": build, "bench": bench,
}  # fmt: skip


def main() -> None:
    """Set up, then do the task."""
    parser = argparse.ArgumentParser(
        usage="python3 tasks.py TASK [ARGUMENT...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:8} {task.__doc__}" for name, task in TASKS.items()),
    )
    parser.add_argument("task", choices=TASKS, metavar="TASK")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    options = parser.parse_args()
    setup([])
    TASKS[options.task](options.arguments)


if __name__ == "__main__":
    main()
