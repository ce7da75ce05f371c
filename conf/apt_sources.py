#!/usr/bin/python3
"""The mirrors of the whole distribution that this machine's apt is configured for, read from both formats of
sources.list(5), as entries for the source packages of another release: one stanza a mirror, each ended by a
zero byte. Usage: apt_sources.py RELEASE LIST PARTS, where apt has Dir::Etc::sourcelist and sourceparts."""
import re
import sys
from pathlib import Path

# What a mirror needs said beside its URI. Trusted is not among them: what is fetched must be signed.
KEPT = ("signed-by", "check-valid-until")


def one_line_entries(text):
    """deb [name=value ...] URI suite component ..."""
    for line in text.splitlines():
        match = re.match(r"\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)([^#]*)", line)
        if not match:
            continue
        kind, options, uri, suite, components = match.groups()
        entry = {"types": kind, "uris": uri, "suites": suite, "components": components}
        for option in (options or "").split():
            name, _, value = option.partition("=")
            entry[name.lower()] = value
        yield entry


def stanza_entries(text):
    """Fields, one a line and continued on lines that begin with a blank, until an empty line."""
    for stanza in re.split(r"\n\s*\n", text):
        fields, name = {}, None
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def configured_entries(source_list, source_parts):
    parts = sorted(Path(source_parts).glob("*")) if Path(source_parts).is_dir() else []
    for path in [Path(source_list), *parts]:
        if not path.is_file():
            continue
        if path.suffix == ".list":
            yield from one_line_entries(path.read_text())
        elif path.suffix == ".sources":
            yield from stanza_entries(path.read_text())


def is_whole_distribution(entry):
    """Not its updates or its security archive, and no other's archive with a layout of its own."""
    enabled = entry.get("enabled", "yes").lower() not in ("no", "false", "0", "off", "without", "disable")
    suites = entry.get("suites", "").split()
    return enabled and "main" in entry.get("components", "").split() and any(
        re.fullmatch(r"[a-z]+", suite) for suite in suites)


def stanzas(release, entries):
    seen = set()
    for entry in filter(is_whole_distribution, entries):
        kept = "".join(f"{name.title()}: {entry[name]}\n" for name in KEPT if name in entry)
        for uri in entry.get("uris", "").split():
            stanza = f"Types: deb-src\nURIs: {uri}\nSuites: {release}\nComponents: main\n{kept}"
            if not uri.startswith("cdrom:") and stanza not in seen:
                seen.add(stanza)
                yield stanza


if __name__ == "__main__":
    for found in stanzas(sys.argv[1], configured_entries(*sys.argv[2:4])):
        print(found, end="\0")
