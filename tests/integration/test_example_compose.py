"""The container files of the example hold together, as far as they can be checked without an engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "legacy-revamp"
COMPOSE = ("docker", "compose")
COMPOSE_1 = ("docker-compose",)


def compose() -> tuple[str, ...]:
    """The command that is there: the plugin, or the program before it."""
    if (
        shutil.which("docker")
        and subprocess.run([*COMPOSE, "version"], capture_output=True, check=False).returncode == 0
    ):
        return COMPOSE
    if shutil.which(*COMPOSE_1):
        return COMPOSE_1
    pytest.skip("needs docker compose")


def test_compose_finds_nothing_to_complain_about() -> None:
    done = subprocess.run(
        [*compose(), "config", "--quiet"], cwd=EXAMPLE, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", re.findall(r"- (\./[\w./-]+):", (EXAMPLE / "docker-compose.yml").read_text()))
def test_what_is_mounted_is_there(path: str) -> None:
    assert (EXAMPLE / path).exists()


def test_prometheus_asks_the_workers_where_they_answer() -> None:
    targets = re.findall(r'"(sync-\d):(\d+)"', (EXAMPLE / "compose" / "prometheus.yml").read_text())
    (port,) = re.findall(r'"--metrics-port", "(\d+)"', (EXAMPLE / "Dockerfile").read_text())
    assert targets == [("sync-1", port), ("sync-2", port)]


def test_both_mapping_files_map_the_same() -> None:
    files = [tomllib.loads((EXAMPLE / name).read_text()) for name in ("sync.toml", "sync-kafka.toml")]
    assert files[0]["table"] == files[1]["table"]


def test_the_mysql_connector_fills_the_topics_that_the_workers_read() -> None:
    connector = json.loads((EXAMPLE / "connectors" / "mysql.json").read_text())
    prefix = tomllib.loads((EXAMPLE / "sync-kafka.toml").read_text())["source"]["topic_prefix"]
    assert prefix == f"{connector['topic.prefix']}.revamp_db."
