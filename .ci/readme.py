#!/usr/bin/env python3
"""Follows our documents as a new user would: every curl line in README.md and docs/administration.md, the
commands in docs/command-line.md, every example, and the walk-through in examples/attestation.md.

`.ci/readme.py [PROFILE]` runs the programs in target/PROFILE; the default is release.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
target = "target/" + (sys.argv[1] if len(sys.argv) > 1 else "release")
# Seconds that a block or an example may take on a busy machine.
PATIENCE = 240
# These programs need each other, so they run in the walk-through and not alone.
walked = {"attester", "veraison_verifier"}


def blocks_of(document):
    return re.findall(r"^```sh\n(.*?)^```", (root / document).read_text(), re.M | re.S)


def built(block):
    """Returns a block without the build, since the programs are built already."""
    block = re.sub(r"cargo run (?:-q )?--release --features examples --example (\w+) --", rf"{target}/examples/\1", block)
    return re.sub(r"cargo run --release(?: --)?", f"{target}/registrar", block)


class Running:
    """Runs a program until the end of `with`, after its output contained `ready`."""

    def __init__(self, command, ready, ends_with=0):
        self.command, self.ready, self.ends_with = command, ready, ends_with

    def __enter__(self):
        self.log = tempfile.NamedTemporaryFile("w+")
        self.program = subprocess.Popen(self.command, cwd=root, stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = ""
        while self.ready not in said:
            line = self.program.stdout.readline()
            if not line:
                sys.exit(f"{self.command} did not start: {said}{pathlib.Path(self.log.name).read_text()}")
            said += line

    def __exit__(self, *_):
        self.program.send_signal(signal.SIGTERM)
        try:
            code = self.program.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.program.kill()
            sys.exit(f"{self.command} did not stop on SIGTERM")
        if code != self.ends_with:
            sys.exit(f"{self.command} ended with {code}")


def run(block, parts, shell=("sh", "-euc")):
    """Runs a block of a document and checks that its output contains these parts."""
    done = subprocess.run([*shell, block], cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    missing = [part for part in parts if part not in done.stdout]
    if done.returncode or missing:
        sys.exit(f"the output of a block lacks {missing}:\n{block}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_readme(data):
    readme = blocks_of("README.md")
    start = [block for block in readme if block.startswith("cargo run")]
    curls = [block for block in readme if "curl" in block]
    if len(start) != 1 or len(curls) != 3:
        sys.exit("README.md does not have the blocks that this check runs")
    curls += [block for block in blocks_of("docs/administration.md") if "curl" in block]
    with Running([f"{target}/registrar", "--data", f"{data}/store"], "curl"):
        expected = [
            ["201"],
            ["client_id", "Second", "204"],
            ["registration_endpoint"],
            ["access_token"],
            ['"imported":0', '"replaced":0'],
        ]
        for block, parts in zip(curls, expected, strict=True):
            run(block.replace(" data/", f" {data}/store/"), parts)
        print(f"{len(curls)} blocks of README.md and docs/administration.md work")
        check_examples()
        check_commands(blocks_of("docs/command-line.md"), data)


def check_examples():
    examples = sorted(path.stem for path in (root / "examples").glob("*.rs") if path.stem not in walked)
    for example in examples:
        environment = dict(os.environ, REGISTRAR_URL="http://127.0.0.1:8080")
        program = f"{target}/examples/{example}"
        done = subprocess.run([program], cwd=root, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            sys.exit(f"the example {example} failed:\n{done.stdout}{done.stderr}")
        print(f"the example {example} works")
    if len(examples) < 4:
        sys.exit("fewer than four examples were found")


def check_commands(blocks, data):
    commands = [block for block in blocks if block.startswith("registrar ")]
    if len(commands) != 1:
        sys.exit("docs/command-line.md must have exactly one block of commands")
    here = re.sub(r"^registrar ", f"{target}/registrar ", commands[0], flags=re.M)
    here = here.replace("clients.ndjson", f"{data}/clients.ndjson")
    credentials = json.loads((pathlib.Path(data) / "store/admin-credentials.json").read_text())
    variables = {f"REGISTRAR_{name.upper()}": value for name, value in credentials.items()}
    here = "".join(f"export {name}='{value}'\n" for name, value in variables.items()) + here
    run(here, ["is ready", "CLIENT_ID", "token  ", "ExpirationTime = 86400"])
    print("the commands of docs/command-line.md work")


def check_attestation(data):
    """Runs the walk-through: three blocks start the programs, and the other blocks share one shell."""
    blocks = [built(block).replace("data/attestation", data) for block in blocks_of("examples/attestation.md")]
    keys, verifier, registrar, *others = blocks
    expected = [
        ["stale_evidence", "nonce"],
        ['"client_id"', "private_key_jwt"],
        ['"trust_level":"attested"', "https://registrar.example/verifier", "policy:DEVICE"],
        ["stale_evidence"],
        ["DEVICE is warning", "invalid_client_metadata"],
        ["not in the client's jwks"],
    ]
    if len(others) != len(expected):
        sys.exit("examples/attestation.md does not have the blocks that this check runs")
    run(keys, ["wrote the keys"])
    asked = Running(verifier.split(), "listens on", -signal.SIGTERM)
    with asked, Running([*registrar.split(), "--data", f"{data}/store"], "curl"):
        marked = [f"{block}\necho; echo 'block {number} is over'\n" for number, block in enumerate(others)]
        said = run("".join(marked), [])
        for number, parts in enumerate(expected):
            here, said = said.split(f"block {number} is over\n")
            missing = [part for part in parts if part not in here]
            if missing:
                sys.exit(f"the output of a block of examples/attestation.md lacks {missing}:\n{others[number]}\n{here}")
    for program in walked:
        print(f"the example {program} works")


with tempfile.TemporaryDirectory() as data:
    check_readme(data)
with tempfile.TemporaryDirectory() as data:
    check_attestation(data)
