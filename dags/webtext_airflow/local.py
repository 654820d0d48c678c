"""A whole Airflow on this machine, reachable on loopback alone: to look at the DAGs, and for their tests.

    python dags/webtext_airflow/local.py HOME [PORT]

HOME gets its database, its logs and the password of `admin`. Ctrl-C ends it.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

DAGS = Path(__file__).resolve().parents[1]
PARTS = (
    ("api-server",),
    ("dag-processor",),
    ("scheduler", "--skip-serve-logs"),
    ("triggerer", "--skip-serve-logs"),
)
"""Airflow's processes; those that would serve logs to other machines do not."""
SECONDS_TO_START = 120
SECONDS_TO_END = 30


@dataclasses.dataclass(frozen=True)
class LocalAirflow:
    """Airflow with SQLite in a folder. variables: beside those of this process, and stronger."""

    home: Path
    port: int
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where its pages and its API are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are started with."""
        own = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.address,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_COLOR": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        return {**os.environ, **own, **self.variables}

    def command(self, *arguments: str, timeout: float = 600) -> "subprocess.CompletedProcess[str]":
        """Call `airflow` and wait for it."""
        return subprocess.run(  # noqa: S603 - our own environment's
            [airflow(), *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def prepare(self) -> None:
        """Database, pools and password; what is there stays."""
        self.home.mkdir(parents=True, exist_ok=True)
        passwords = self.home / "passwords.json"
        if not passwords.exists():
            passwords.touch(mode=0o600)
            passwords.write_text(json.dumps({"admin": secrets.token_urlsafe(12)}))
        for arguments in (("db", "migrate"), ("pools", "import", str(DAGS / "pools.json")), ("dags", "reserialize")):
            done = self.command(*arguments)
            if done.returncode:
                raise RuntimeError(f"airflow {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")

    @property
    def password(self) -> str:
        """That of `admin`."""
        return str(json.loads((self.home / "passwords.json").read_text())["admin"])

    @contextlib.contextmanager
    def running(self, parts: Sequence[Sequence[str]] = PARTS) -> Iterator[None]:
        """Its processes, healthy, while the block runs; each writes a log of its own into HOME."""
        with contextlib.ExitStack() as started:
            processes = [started.enter_context(self._process(part)) for part in parts]
            self._wait_until_healthy(processes)
            yield

    @contextlib.contextmanager
    def _process(self, arguments: Sequence[str]) -> "Iterator[subprocess.Popen[bytes]]":
        with (self.home / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own environment's
                [airflow(), *arguments], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _wait_until_healthy(self, processes: "Sequence[subprocess.Popen[bytes]]") -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._is_healthy():
            if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                raise RuntimeError(f"Airflow does not start; see the logs in {self.home}.")
            time.sleep(0.5)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310
                found = json.load(answer)
        except (OSError, ValueError):
            return False
        return all(found[part]["status"] == "healthy" for part in ("scheduler", "dag_processor"))


def airflow() -> str:
    """The `airflow` beside this Python."""
    return str(Path(sys.executable).with_name("airflow"))


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C."""
    home, port = Path(arguments[0]).resolve(), int(arguments[1]) if len(arguments) > 1 else 8080
    local = LocalAirflow(home, port)
    with contextlib.suppress(KeyboardInterrupt):
        sys.stderr.write(f"Airflow begins; its logs are in {home}\n")
        local.prepare()
        with local.running():
            sys.stdout.write(f"{local.address}   user admin, password {local.password}\n")
            sys.stdout.flush()
            sys.stderr.write("All DAGs are paused at first. Ctrl-C ends it.\n")
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
