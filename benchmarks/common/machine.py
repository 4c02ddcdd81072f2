"""The machine: which core runs what, and the facts that a result is read with."""

import os
import platform
from importlib import metadata
from pathlib import Path

from attrs import frozen


@frozen
class Cores:
    """Where the two sides of the socket run. On one core both share it, and the result says so."""

    server: int
    client: int

    @property
    def separate(self) -> bool:
        """Whether each side has a core of its own."""
        return self.server != self.client


def choose_cores() -> Cores:
    """Give the client the last core: the first one also serves most interrupts."""
    available = sorted(os.sched_getaffinity(0))
    return Cores(server=available[0], client=available[-1])


def pin(core: int) -> None:
    """Keep this process on one core."""
    os.sched_setaffinity(0, {core})


def version_of(distribution: str) -> str | None:
    """Return the installed version, or None when it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def facts() -> dict[str, str]:
    """Describe processor, cores, operating system and interpreter."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def load_average() -> float:
    """Return the one-minute load average, which shows who else was busy."""
    return os.getloadavg()[0]
