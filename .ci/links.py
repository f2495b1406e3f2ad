#!/usr/bin/env python3
"""Every relative link and every named file of our documents leads somewhere."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
files = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True)
broken, seen = [], 0
for name in files.stdout.split():
    path = root / name
    text = path.read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", h.lower()).strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        seen += 1
        file, _, anchor = target.partition("#")
        if file and not (path.parent / file).exists():
            broken.append(f"{name}: {target}")
        if not file and anchor not in headings:
            broken.append(f"{name}: #{anchor}")
if not seen:
    sys.exit("no link was found: the check itself is broken")
if broken:
    sys.exit("broken links:\n" + "\n".join(broken))
print(f"{seen} links are good")
