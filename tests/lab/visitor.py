"""Somebody on another machine of a lab's segment, who comes by SSH."""

import subprocess
from pathlib import Path

from lab.lan import Lan


class Visitor:
    """Who has a key of their own, and may be told a password."""

    def __init__(self, lan: Lan, folder: Path) -> None:
        self._lan = lan
        self._folder = folder
        self._key = folder / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self._key], check=True
        )
        self.public_key = self._key.with_suffix(".pub").read_text().strip()

    def ssh(
        self, user: str, *words: str, password: str | None = None, typed: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if password is None:
            options += [f"IdentityFile={self._key}", "IdentitiesOnly=yes", "BatchMode=yes"]
        else:
            answer = self._folder / "password"
            answer.write_text(f"#!/bin/sh\necho '{password}'\n")
            answer.chmod(0o700)
            environment |= {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
            options += ["PubkeyAuthentication=no", "NumberOfPasswordPrompts=1"]
        words_of_ssh = [word for option in options for word in ("-o", option)]
        return self._lan.run(
            ["ssh", *words_of_ssh, f"{user}@{self._lan.address}", *words], environment, typed
        )
