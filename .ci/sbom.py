#!/usr/bin/env python3
"""Writes the software bill of materials of the binary, as CycloneDX 1.5 in JSON:

    python3 .ci/sbom.py FILE [--target TRIPLE]

It lists the crates that are linked into the binary with the default features, with the checksums of Cargo.lock.
Crates that only build or test it are not listed. The same Cargo.lock gives the same file.
"""
import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import urllib.parse
import uuid

root = pathlib.Path(__file__).resolve().parent.parent


def cargo(*arguments):
    done = subprocess.run(["cargo", *arguments], cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def linked(target):
    """Returns the crates of the binary as pairs of name and version."""
    platform = ["--target", target] if target else []
    lines = cargo("tree", "--locked", "--edges", "normal", "--prefix", "none", *platform).splitlines()
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in lines if line.strip()}


def reference(name, version):
    """Returns the package URL of a crate."""
    return f"pkg:cargo/{name}@{urllib.parse.quote(version)}"


def component(package, checksum):
    name, version = package["name"], package["version"]
    entry = {"type": "library", "bom-ref": reference(name, version), "name": name, "version": version}
    if package["description"]:
        entry["description"] = " ".join(package["description"].split())
    entry["purl"] = reference(name, version)
    if package["license"]:
        # Old manifests have `/` for OR.
        expression = re.sub(r"\s*/\s*", " OR ", package["license"])
        entry["licenses"] = [{"expression": expression}]
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def document(target):
    lock = (root / "Cargo.lock").read_bytes()
    checksums = {
        (entry["name"], entry["version"]): entry.get("checksum")
        for entry in tomllib.loads(lock.decode())["package"]
    }
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1"))
    own = metadata["resolve"]["root"]
    named = {package["id"]: (package["name"], package["version"]) for package in metadata["packages"]}
    kept = linked(target)
    components, main = [], None
    for package in metadata["packages"]:
        pair = named[package["id"]]
        if package["id"] == own:
            main = component(package, None) | {"type": "application"}
        elif pair in kept:
            components.append(component(package, checksums[pair]))
    edges = []
    for node in metadata["resolve"]["nodes"]:
        if named[node["id"]] in kept:
            used = {
                named[each["pkg"]]
                for each in node["deps"]
                if any(kind["kind"] is None for kind in each["dep_kinds"])
            }
            below = sorted(reference(*pair) for pair in used & kept)
            edges.append({"ref": reference(*named[node["id"]]), "dependsOn": below})
    # Neither a time nor a random number: the same sources give the same document.
    digest = hashlib.sha256(lock + repr(sorted(kept)).encode()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {"component": main},
        "components": sorted(components, key=lambda entry: entry["bom-ref"]),
        "dependencies": sorted(edges, key=lambda edge: edge["ref"]),
    }


def faults(bill, expected):
    """Returns what is wrong with the document, for whose crates `expected` has names and versions."""
    main = bill["metadata"]["component"]
    listed = [main, *bill["components"]]
    references = [entry["bom-ref"] for entry in listed]
    missing = expected - {(entry["name"], entry["version"]) for entry in listed}
    yield from (f"{name} {version} is not listed" for name, version in sorted(missing))
    if len(set(references)) != len(references):
        yield "a crate is listed twice"
    for entry in bill["components"]:
        if "hashes" not in entry and "vcs" not in str(entry.get("externalReferences")):
            yield f"{entry['bom-ref']} has neither a checksum nor a repository"
        if not entry.get("licenses"):
            yield f"{entry['bom-ref']} has no licence"
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    reached, left = set(), [main["bom-ref"]]
    while left:
        ref = left.pop()
        if ref not in reached:
            reached.add(ref)
            left += edges.get(ref, [])
    yield from (f"nothing depends on {ref}" for ref in sorted(set(references) - reached))


arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0].rstrip(":"))
arguments.add_argument("file", metavar="FILE", type=pathlib.Path)
arguments.add_argument("--target", metavar="TRIPLE", help="the platform of the binary; default: this one")
arguments = arguments.parse_args()
bill = document(arguments.target)
found = list(faults(bill, linked(arguments.target)))
if found:
    sys.exit("the bill of materials is wrong:\n" + "\n".join(found))
arguments.file.parent.mkdir(parents=True, exist_ok=True)
arguments.file.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n")
print(f"{len(bill['components'])} crates are in {arguments.file}")
