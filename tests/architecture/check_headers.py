#!/usr/bin/python3
"""Every header of the rooms compiles by itself. Usage: check_headers.py ROOT COMPILE_COMMANDS_JSON.
The build has already shown it for a header that its own .cpp includes first; the others are parsed alone here
(-fsyntax-only), with the flags that the tree's own sources are built with."""
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOMS = ["base", "record", "routing", "gateway", "backends", "control"]


def flags_by_room(commands_file):
    """The compiler and flags of one source file of each room, less what names its input and output."""
    flags = {}
    for entry in json.loads(Path(commands_file).read_text()):
        words = shlex.split(entry["command"])
        if words[0].endswith("ccache"):
            words = words[1:]
        kept, skip = [], False
        for word in words:
            if skip or word in ("-o", "-c", "-MF", "-MT", "-MD"):
                skip = word in ("-o", "-MF", "-MT")
                continue
            if word != entry["file"]:
                kept.append(word)
        for room in ROOMS:
            if f"/{room}/" in entry["file"] and "/tests/" not in entry["file"]:
                flags.setdefault(room, kept)
    return flags


def shown_by_the_build(root, header):
    source = header.with_suffix(".cpp")
    if not source.exists():
        return False
    first = re.search(r'^\s*#\s*include\s*"([^"]+)"|^\s*#\s*include\s*<', source.read_text(), re.M)
    return first is not None and first[1] == str(header.relative_to(root))


def parse_alone(root, header, flags):
    # -include: a header given as the input itself would warn about its #pragma once.
    command = flags + ["-fsyntax-only", "-Werror", "-include", str(header), "-x", "c++", "/dev/null"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return f"{header.relative_to(root)} does not compile alone:\n{done.stderr}"


def main(root, commands_file):
    root = Path(root)
    flags = flags_by_room(commands_file)
    headers = [(room, path) for room in flags for path in sorted((root / room).rglob("*.hpp"))]
    if not headers:
        print("found no header at all: is this the root of the tree?")
        return 1
    rest = [(room, path) for room, path in headers if not shown_by_the_build(root, path)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [f for f in pool.map(lambda h: parse_alone(root, h[1], flags[h[0]]), rest) if f]
    print("\n".join(found) or f"{len(headers)} headers, each compiles alone ({len(rest)} were tried here)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
