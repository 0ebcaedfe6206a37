"""How the lab itself logs in to its hosts."""

import socket
import subprocess
from pathlib import Path

from lab import addresses, places


def ssh_options() -> list[str]:
    """Options of OpenSSH's client that every connection to a host has."""
    options = ["-F", "/dev/null"]
    for word in (
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "ConnectTimeout=10",
        "LogLevel=ERROR",
        "GlobalKnownHostsFile=/dev/null",
    ):
        options += ["-o", word]
    return options


def ssh_key() -> Path:
    """The private key of the hosts' user."""
    return places.state() / "id_ed25519"


def known_hosts() -> Path:
    """The hosts' public keys."""
    return places.state() / "known_hosts"


def answers(port: int) -> bool:
    """Whether a host, reached at this port of ours, runs a command for its user."""
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as connection:
            connection.settimeout(20)
            if not connection.recv(4).startswith(b"SSH-"):
                return False
    except OSError:
        return False
    command = ["ssh", *ssh_options(), "-i", str(ssh_key()), "-p", str(port)]
    command += ["-o", f"UserKnownHostsFile={known_hosts()}", f"{addresses.USER}@127.0.0.1"]
    try:
        done = subprocess.run(
            [*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
