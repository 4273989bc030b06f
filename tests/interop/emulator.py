"""Starting the emulator under test, steering it, and stopping it whatever happens.

`cargo xtask test interop` names the program and the folder with the CA that all clients trust.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import requests

PROGRAM = os.environ["ENTRA_EMULATOR"]
AUTHORITY = Path(os.environ["INTEROP_AUTHORITY"])

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
STOP_SECONDS = 10


@dataclass(frozen=True)
class Credentials:
    """A client id and its secret."""

    client_id: str
    secret: str


class Emulator:
    """A running `entra-emulator`."""

    def __init__(self, process: subprocess.Popen, said: list[str]):
        self.process = process
        text = "".join(said)
        self.base = re.search(r"https://localhost:\d+", text).group()
        self.tenant = re.search(r"/([0-9a-f-]{36})/oauth2/v2\.0/token", text).group(1)
        client_id, secret = re.search(r"Administrator +(\S+) +(\S+)", text).groups()
        self.administrator = Credentials(client_id, secret)

    @property
    def host(self) -> str:
        """Host and port."""
        return self.base.removeprefix("https://")

    @property
    def authority(self) -> str:
        """The tenant's authority, as MSAL names it."""
        return f"{self.base}/{self.tenant}"

    def control(self, method: str, path: str, body=None):
        """One call of the control API; its JSON."""
        answer = requests.request(method, f"{self.base}/_emulator/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def advance(self, **span) -> None:
        """Moves the virtual clock by hours, days, …"""
        self.control("POST", "clock/advance", {"seconds": timedelta(**span).total_seconds()})

    @contextmanager
    def fault(self, **rule):
        """A fault rule for as long as the block runs; yields a function that says how often it acted."""
        identifier = self.control("POST", "faults", rule)["id"]
        try:
            yield lambda: next(one["hits"] for one in self.control("GET", "faults") if one["id"] == identifier)
        finally:
            self.control("DELETE", f"faults/{identifier}")

    def calls(self, target: str) -> list[dict]:
        """The audit's entries whose path contains `target`."""
        answer = requests.get(f"{self.base}/_emulator/audit", params={"target": target}, timeout=30)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(trusted: Path | None = None):
    """Starts an emulator on a free port with the CA that the suite exported; stops it when the block ends.

    `trusted` is a bundle of certificate authorities that the emulator trusts when it calls out.
    """
    with tempfile.TemporaryDirectory(prefix="claviger-interop-") as folder:
        data = Path(folder) / "data"
        shutil.copytree(AUTHORITY, data)
        environment = {"SSL_CERT_FILE": str(trusted)} if trusted else {}
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", "--data", data],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if "Administrator" in line:
                    break
            assert process.poll() is None, f"the emulator did not start: {said}"
            yield Emulator(process, said)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
