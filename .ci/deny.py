#!/usr/bin/env python3
"""Enforces the licences and the sources of deny.toml, for machines without cargo-deny.

It does less than `cargo deny`: it reads the licence that each crate declares, and only warns about a crate that
occurs in several versions and is not listed in deny.toml.
"""
import json
import pathlib
import re
import subprocess
import sys
import tomllib

root = pathlib.Path(__file__).resolve().parent.parent
rules = tomllib.loads((root / "deny.toml").read_text())


def packages():
    """Returns every package for the platforms of deny.toml, and the packages that are in no skipped tree."""
    skipped = {entry["crate"].split("@")[0] for entry in rules["bans"]["skip-tree"]}
    found, below = {}, set()
    for target in rules["graph"]["targets"]:
        command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
        command += ["--filter-platform", target]
        done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
        metadata = json.loads(done.stdout)
        found.update({package["id"]: package for package in metadata["packages"]})
        used = {node["id"]: node["dependencies"] for node in metadata["resolve"]["nodes"]}
        left = [package for package in used if found[package]["name"] in skipped]
        while left:
            package = left.pop()
            if package not in below:
                below.add(package)
                left += used[package]
    return list(found.values()), [found[package] for package in found if package not in below]


def is_allowed(expression, allowed):
    """Returns whether the licences in `allowed` satisfy an SPDX expression."""
    # Old manifests have `/` for OR. `+` and an exception after WITH do not narrow the licence.
    text = re.sub(r"\s+WITH\s+[\w.-]+", "", expression.replace("/", " OR "))
    tokens = re.findall(r"[()]|[\w.+-]+", text)

    def choice():
        result = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = both() or result
        return result

    def both():
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token.removesuffix("+") in allowed
        result = choice()
        if not tokens or tokens.pop(0) != ")":
            sys.exit(f"cannot read the licence expression {expression!r}")
        return result

    result = choice()
    if tokens:
        sys.exit(f"cannot read the licence expression {expression!r}")
    return result


def licence_faults(found):
    exceptions = {entry["crate"]: set(entry["allow"]) for entry in rules["licenses"].get("exceptions", [])}
    for package in found:
        if package["source"] is None and package["publish"] == [] and rules["licenses"]["private"]["ignore"]:
            continue
        allowed = set(rules["licenses"]["allow"]) | exceptions.get(package["name"], set())
        declared = package["license"]
        if declared is None:
            yield f"{package['name']} {package['version']} declares no licence"
        elif not is_allowed(declared, allowed):
            yield f"{package['name']} {package['version']}: the licence {declared} is not allowed in deny.toml"


def source_faults(found):
    allowed = {f"registry+{registry}" for registry in rules["sources"]["allow-registry"]}
    allowed |= {f"git+{repository}" for repository in rules["sources"]["allow-git"]}
    for package in found:
        source = package["source"]
        if source is None:
            # A path dependency must be in this repository.
            if not pathlib.Path(package["manifest_path"]).is_relative_to(root):
                yield f"{package['name']} {package['version']} comes from outside this repository"
        elif re.split(r"[?#]", source)[0] not in allowed:
            yield f"{package['name']} {package['version']} comes from {source}, which deny.toml does not allow"


def duplicates(found):
    listed = {entry["crate"].split("@")[0] for entry in rules["bans"]["skip"]}
    versions = {}
    for package in found:
        versions.setdefault(package["name"], set()).add(package["version"])
    for name, several in sorted(versions.items()):
        if len(several) > 1 and name not in listed:
            yield f"{name} {', '.join(sorted(several))}"


def self_test():
    """Checks that expressions are evaluated correctly."""
    cases = [
        ("MIT OR GPL-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("MIT/GPL-3.0", True),
        ("(MIT OR GPL-3.0) AND GPL-2.0", False),
        ("(MIT OR GPL-3.0) AND MIT", True),
        ("GPL-3.0 WITH GCC-exception-3.1", False),
        ("MIT+", True),
    ]
    for expression, expected in cases:
        if is_allowed(expression, {"MIT"}) != expected:
            sys.exit(f"this check is broken: {expression}")


self_test()
found, outside = packages()
faults = [*licence_faults(found), *source_faults(found)]
if faults:
    sys.exit("dependencies that deny.toml does not allow:\n" + "\n".join(faults))
several = list(duplicates(outside))
if several:
    print(f"in several versions, and not listed in deny.toml ({len(several)}): " + "; ".join(several))
print(f"{len(found)} packages have an allowed licence and an allowed source")
