#!/usr/bin/env python3
"""Checks that every relative link in our documents leads to an existing file and heading."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent


def anchors(path):
    """Returns the anchors of the headings of a document."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


files = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True)
broken, seen = [], 0
for name in files.stdout.split():
    path = root / name
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        seen += 1
        file, _, anchor = target.partition("#")
        leads_to = path.parent / file if file else path
        if not leads_to.exists():
            broken.append(f"{name}: {target}")
        elif anchor and leads_to.suffix == ".md" and anchor not in anchors(leads_to):
            broken.append(f"{name}: {target} (no such heading)")
if not seen:
    sys.exit("no link was found; this check is broken")
if broken:
    sys.exit("broken links:\n" + "\n".join(broken))
print(f"{seen} links are valid")
