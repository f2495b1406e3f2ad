#!/usr/bin/env python3
"""Runs the README as a new user would: starts the server, runs every curl line, every example."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
readme = (root / "README.md").read_text()
blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S)
start = [block for block in blocks if block.startswith("cargo run")]
curls = [block for block in blocks if "curl" in block]
if len(start) != 1 or len(curls) < 3:
    sys.exit("the README has not the blocks that this check runs")

data = tempfile.mkdtemp()
log = open(pathlib.Path(data) / "log", "w")
server = subprocess.Popen(["target/release/registrar", "--data", data + "/store"], cwd=root, stdout=subprocess.PIPE, stderr=log, text=True)
try:
    greeting = ""
    while "curl" not in greeting:
        line = server.stdout.readline()
        if not line:
            sys.exit("the server did not start: " + (pathlib.Path(data) / "log").read_text())
        greeting += line
    expected = [["201"], ["client_id", "Second", "204"], ["registration_endpoint"], ["access_token"], ['"imported":0', '"replaced":0']]
    for block, parts in zip(curls, expected, strict=True):
        here = block.replace(" data/", f" {data}/store/")
        done = subprocess.run(["sh", "-euc", here], cwd=root, capture_output=True, text=True)
        missing = [part for part in parts if part not in done.stdout]
        if done.returncode or missing:
            sys.exit(f"a block of the README does not do what it says ({missing}):\n{block}\n{done.stdout}{done.stderr}")
    print(f"{len(curls)} blocks of the README work")
    examples = sorted(path.stem for path in (root / "examples").glob("*.rs"))
    for example in examples:
        environment = dict(os.environ, REGISTRAR_URL="http://127.0.0.1:8080")
        done = subprocess.run([f"target/release/examples/{example}"], cwd=root, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            sys.exit(f"the example {example} failed:\n{done.stdout}{done.stderr}")
        print(f"the example {example} works")
    if len(examples) < 4:
        sys.exit("there are fewer than four examples")
    commands = [block for block in blocks if block.startswith("registrar ")]
    if len(commands) != 1:
        sys.exit("the README has not one block of commands")
    here = re.sub(r"^registrar ", "target/release/registrar ", commands[0], flags=re.M)
    here = here.replace("clients.ndjson", f"{data}/clients.ndjson")
    credentials = json.loads((pathlib.Path(data) / "store/admin-credentials.json").read_text())
    environment = dict(os.environ, **{f"REGISTRAR_{name.upper()}": value for name, value in credentials.items()})
    done = subprocess.run(["sh", "-euc", here], cwd=root, env=environment, capture_output=True, text=True)
    missing = [part for part in ["CLIENT_ID", "token  ", "ExpirationTime = 86400"] if part not in done.stdout]
    if done.returncode or missing:
        sys.exit(f"the commands of the README do not do what they say ({missing}):\n{done.stdout}{done.stderr}")
    print("the commands of the README work")
finally:
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        sys.exit("the server did not stop on SIGTERM")
if code:
    sys.exit(f"the server ended with {code}")
