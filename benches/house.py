#!/usr/bin/env python3
"""Measures how the source reads: benches/house.py [FOLDER OF A CHECKOUT] [--dense N] [--long]

Code is src/ without comments, test modules and the contract of the store. A token is a word, a number, a
literal or an operator. --dense lists the N functions with the most tokens and adaptors, --long those that
break a limit (60 lines, 250 tokens) and exits with 1 if there is one.
"""
import argparse
import pathlib
import re
import statistics
import sys

LINES, TOKENS = 60, 250
ADAPTORS = re.compile(
    r"\.(map|and_then|filter|filter_map|flat_map|chain|zip|then|then_some|map_err|map_or|map_or_else|or_else|ok_or|"
    r"ok_or_else|unwrap_or|unwrap_or_else|unwrap_or_default|is_some_and|is_none_or|is_ok_and|take_while|skip_while|"
    r"fold|try_fold|cloned|copied|collect|inspect|inspect_err|transpose|flatten|rev|find_map|any|all|position|"
    r"filter_map|sum|as_deref|partition|scan|peekable|enumerate)\b(?:::<[^(]*>)?\(")
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\w+|::|->|=>|[&|=!<>+*/-]=|&&|\|\||\.\.=?|[^\s\w]')
PATH = re.compile(r"(?<![\w:])((?:crate|super|self)::)")


def without(text):
    """The text without comments; literals keep their length of one token."""
    out, at = [], 0
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\.[^\']*|[^\'\\])\'', re.S)
    for found in pattern.finditer(text):
        out.append(text[at : found.start()])
        whole = found.group()
        out.append(" " if whole.startswith("/") else '""' + "\n" * whole.count("\n"))
        at = found.end()
    return "".join(out) + text[at:]


def end_of(text, at):
    """The place behind the brace that closes the one at `at`."""
    depth = 0
    for place in range(at, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return place + 1
    return len(text)


def without_tests(text):
    while found := re.search(r"#\[cfg\((?:all\()?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))? )?(mod|fn|impl|use|struct)\b[^;{]*([;{])", text):
        end = end_of(text, found.end() - 1) if found.group(2) == "{" else found.end()
        text = text[: found.start()] + text[end:]
    return text


def functions(text):
    """The name, the first line, the lines and the code of each function; a function inside counts for both."""
    for found in re.finditer(r"\bfn (\w+)", text):
        brace, semicolon = text.find("{", found.end()), text.find(";", found.end())
        # The type of an array in a signature has a semicolon in it.
        while 0 <= semicolon < brace and text.count("[", found.end(), semicolon) > text.count("]", found.end(), semicolon):
            semicolon = text.find(";", semicolon + 1)
        if brace < 0 or 0 <= semicolon < brace:
            continue
        code = text[found.start() : end_of(text, brace)]
        yield found.group(1), text.count("\n", 0, found.start()) + 1, code.count("\n") + 1, code


def leaves(text, at, base):
    """The paths of the tree at `at`, and the place behind it."""
    if text.startswith("{", at):
        found, at = [], at + 1
        while at < len(text) and text[at] != "}":
            if text[at] in " \n\t,":
                at += 1
                continue
            more, behind = leaves(text, at, base)
            found += more
            at = behind
            while at < len(text) and text[at] not in ",}":
                at += 1
        return found, at + 1
    word = re.compile(r"\w*").match(text, at).group()
    at += len(word)
    if text.startswith("::", at) and not text.startswith("::<", at):
        return leaves(text, at + 2, base + [word])
    return [base + [word]], at


def modules_used(text):
    """The modules of the crate that the paths of a file lead to: what a reader has to know besides it."""
    used = set()
    for found in PATH.finditer(text):
        for path in leaves(text, found.start(), [])[0]:
            modules = [word for word in path if re.fullmatch(r"[a-z_][a-z0-9_]*", word)]
            # The last word may be a function; what is imported from where is what counts.
            used.add("::".join(modules[:-1] if modules == path and len(modules) > 2 else modules))
    return used


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", nargs="?", default=pathlib.Path(__file__).parent.parent)
    arguments.add_argument("--dense", type=int, default=0)
    arguments.add_argument("--long", action="store_true")
    arguments = arguments.parse_args()
    root = pathlib.Path(arguments.folder) / "src"
    lines = imports = adaptors = public = 0
    found, types, files = [], {}, []
    for path in sorted(root.rglob("*.rs")):
        name = path.relative_to(root).as_posix()
        if "/tests" in name or "/contract/" in name or name.endswith(("/testing.rs", "tests.rs")) and "script" not in name:
            continue
        whole = path.read_text()
        files.append(whole.count("\n"))
        text = without_tests(without(whole))
        lines += sum(1 for line in text.split("\n") if line.strip())
        imports += len(modules_used(text))
        adaptors += len(ADAPTORS.findall(text))
        public += len(re.findall(r"^\s*pub (?:const |async |unsafe )*(?:fn|struct|enum|trait|type|const|static|mod|use)\b", text, re.M))
        for kind in re.findall(r"\b(?:struct|enum|trait|type) (\w+)", text):
            types.setdefault(kind, set()).add(name)
        for function, line, length, code in functions(text):
            found.append((len(TOKEN.findall(code)), len(ADAPTORS.findall(code)), length, f"src/{name}", function))
    tokens = sorted(entry[0] for entry in found)
    top = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and any(entry.rglob("*.rs")) or not entry.is_dir() and entry.name not in ("lib.rs", "main.rs", "ARCHITECTURE.md"))
    collisions = sorted((kind for kind, places in types.items() if len(places) > 1 and kind not in ("Error", "Item", "Output", "Value", "Err", "Future", "Data", "Target", "Response")))
    tenth = lambda values, share: values[min(len(values) - 1, int(len(values) * share))]
    print(f"top modules              {len(top)}")
    print(f"code lines               {lines} in {len(files)} files, the longest {max(files)}")
    print(f"imports per 1 000 lines  {imports * 1000 / lines:.1f}")
    print(f"tokens of a function     median {tenth(tokens, 0.5)}, 90 % {tenth(tokens, 0.9)}, 99 % {tenth(tokens, 0.99)}, most {tokens[-1]} ({len(tokens)} functions)")
    print(f"adaptors per 1 000 lines {adaptors * 1000 / lines:.1f}")
    print(f"public items             {public}")
    print(f"type names used twice    {len(collisions)}: {', '.join(collisions)}")
    over = [entry for entry in found if entry[0] > TOKENS or entry[2] > LINES]
    print(f"functions over a limit   {len(over)}")
    if arguments.dense:
        found.sort(key=lambda entry: -(entry[0] + 12 * entry[1]))
        for size, many, length, name, function in found[: arguments.dense]:
            print(f"{size:5} tokens {many:3} adaptors {length:3} lines  {name}: {function}")
    if arguments.long:
        for size, many, length, name, function in sorted(over, reverse=True):
            print(f"{size:5} tokens {length:3} lines  {name}: {function}")
        sys.exit(bool(over))


main()
