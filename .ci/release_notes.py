#!/usr/bin/env python3
"""Prints the section of CHANGELOG.md for a version, as the text of a release:

    python3 .ci/release_notes.py VERSION [--base URL]

VERSION is the heading of a section, such as Unreleased. With --base, links to files of this repository become links
to URL, such as the page of the tag. Without it, a text with such links is still valid beside the sources.
"""
import argparse
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent


def section(changelog, version):
    """Returns the text below the heading of this version, or None if there is no such heading."""
    parts = re.split(r"^## (.+)$", changelog, flags=re.M)
    for heading, text in zip(parts[1::2], parts[2::2]):
        # A heading can have a date: "0.2.0 (2026-03-01)".
        if heading.split()[0].strip("[]") == version:
            return text.strip()
    return None


def with_base(text, base):
    """Returns the text with its relative links below `base`."""
    return re.sub(r"\]\((?![a-z]+:|#)([^)\s]+)\)", lambda link: f"]({base.rstrip('/')}/{link[1]})", text)


def self_test():
    sample = "# C\n\n## Unreleased\n\n- new [a](docs/a.md)\n\n## 0.2.0 (2026-03-01)\n\n### S\n\n- old\n\n## 0.1.0\n"
    cases = [
        (section(sample, "Unreleased"), "- new [a](docs/a.md)"),
        (section(sample, "0.2.0"), "### S\n\n- old"),
        (section(sample, "0.1.0"), ""),
        (section(sample, "0.2"), None),
        (with_base("[a](docs/a.md) [b](https://b) [c](#c)", "https://x/y/"), "[a](https://x/y/docs/a.md) [b](https://b) [c](#c)"),
    ]
    for result, expected in cases:
        if result != expected:
            sys.exit(f"this script is broken: {result!r} instead of {expected!r}")


self_test()
arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0].rstrip(":"))
arguments.add_argument("version", metavar="VERSION")
arguments.add_argument("--base", metavar="URL")
arguments = arguments.parse_args()
text = section((root / "CHANGELOG.md").read_text(), arguments.version)
if not text:
    sys.exit(f"CHANGELOG.md has no text for the version {arguments.version}")
broken = [
    target
    for target in re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)", text)
    if not (root / target).exists()
]
if broken:
    sys.exit("the text has links to files that do not exist: " + ", ".join(broken))
print(with_base(text, arguments.base) if arguments.base else text)
