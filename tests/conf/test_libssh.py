"""conf/libssh and the mirrors it asks: the sources of apt in both formats, what it refuses, and what it takes
for whole. Nothing here needs a network: the mirrors are folders."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONF = Path(__file__).resolve().parents[2] / "conf"
sys.path.insert(0, str(CONF))
import apt_sources  # noqa: E402

EMBEDDED_KEY = """Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEYg==
 -----END PGP PUBLIC KEY BLOCK-----"""


def found(tmp_path, **files):
    """The stanzas for the release forky that the configuration gives, as fields; of a.list or a.sources."""
    parts = tmp_path / "sources.list.d"
    parts.mkdir(exist_ok=True)
    main = tmp_path / "sources.list"
    for name, text in files.items():
        name = name.replace("_", ".")
        (main if name == "sources.list" else parts / name).write_text(text)
    entries = apt_sources.configured_entries(str(main), str(parts))
    return [next(apt_sources.stanza_entries(text)) for text in apt_sources.stanzas("forky", entries)]


SIGNED = {"types": "deb-src", "uris": "http://mirror.test/d", "suites": "forky", "components": "main",
          "signed-by": "/keys/debian.gpg"}


@pytest.mark.parametrize("name, text", [
    ("a_list", "deb [signed-by=/keys/debian.gpg arch=amd64] http://mirror.test/d bookworm main non-free # x"),
    ("a_list", "# deb http://no.test/debian bookworm main\n"
               "deb  [ arch=amd64  Signed-By=/keys/debian.gpg ]\thttp://mirror.test/d\tbookworm  main\n"),
    ("sources_list", "deb-src [signed-by=/keys/debian.gpg] http://mirror.test/d bookworm main\n"),
    ("a_sources", "Types: deb deb-src\n# a comment between\nURIs: http://mirror.test/d\n"
                  "Suites: bookworm bookworm-updates\nComponents: main contrib\n"
                  "Signed-By: /keys/debian.gpg\n"),
    ("a_sources", "types: deb\nuris:\n http://mirror.test/d\nsuites: stable\ncomponents:\n contrib\n main\n"
                  "SIGNED-BY: /keys/debian.gpg\nEnabled: yes\n"),
    ("a_sources", "Types: deb\nURIs: http://no.test/d\nSuites: sid\nComponents: main\nEnabled: no\n \n"
                  "Types: deb\nURIs: http://mirror.test/d\nSuites: bookworm\nComponents: main\n"
                  "Signed-By: /keys/debian.gpg\n"),
])
def test_an_entry_is_found_in_both_formats(tmp_path, name, text):
    assert found(tmp_path, **{name: text}) == [SIGNED]


@pytest.mark.parametrize("name, text", [
    ("a_list", "deb http://mirror.test/d-security bookworm-security main\n"),
    ("a_list", "deb http://mirror.test/d bookworm-updates main\n"),
    ("a_list", "deb http://other.test/flat ./\n"),
    ("a_list", "deb http://other.test/docker bookworm stable\n"),
    ("a_list", "deb cdrom:[Debian_12]/ bookworm main\n"),
    ("a_list.save", "deb http://mirror.test/d bookworm main\n"),
    ("a_sources", "Types: deb\nURIs: http://other.test/\nSuites: ./\n"),
    ("a_sources", "# only a comment\n\n"),
])
def test_what_is_no_mirror_of_the_distribution_is_left_out(tmp_path, name, text):
    assert found(tmp_path, **{name: text}) == []


def test_trust_without_a_signature_is_not_taken_over(tmp_path):
    line = "deb [trusted=yes] http://m.test/d bookworm main\n"
    stanza = "Types: deb\nURIs: http://n.test/d\nSuites: sid\nComponents: main\nTrusted: yes\n"
    assert found(tmp_path, a_list=line, b_sources=stanza) == [
        {"types": "deb-src", "uris": uri, "suites": "forky", "components": "main"}
        for uri in ("http://m.test/d", "http://n.test/d")]


def test_a_key_within_the_entry_is_kept_whole(tmp_path):
    uris = "http://m.test/d http://n.test/d"
    text = f"Types: deb\nURIs: {uris}\nSuites: sid\nComponents: main\n{EMBEDDED_KEY}\n"
    stanzas = found(tmp_path, a_sources=text)
    assert [stanza["uris"] for stanza in stanzas] == uris.split()
    for stanza in stanzas:
        assert f"Signed-By:{stanza['signed-by']}" == EMBEDDED_KEY


def test_a_mirror_is_asked_once(tmp_path):
    line = "deb http://m.test/d bookworm main\n"
    assert len(found(tmp_path, sources_list=line + line.replace("deb", "deb-src", 1), b_list=line)) == 1


class Tree:
    """A tree of its own with conf/libssh in it, on a machine without libssh, whose apt has these sources."""

    def __init__(self, root):
        self.root = root
        (root / "conf").mkdir()
        for name in ("libssh", "apt_sources.py"):
            shutil.copy(CONF / name, root / "conf" / name)
        self.sources = root / "sources.list"
        self.sources.write_text("")
        (root / "apt.conf").write_text(f'Dir::Etc::sourcelist "{self.sources}";\n'
                                       f'Dir::Etc::sourceparts "{root}/none";\n')
        self.built = root / "build/deps/libssh"

    def run(self, *arguments):
        environment = {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C.UTF-8"}
        return subprocess.run([str(self.root / "conf/libssh"), *arguments], env=environment, text=True,
                              capture_output=True, timeout=100)

    def leavings(self):
        return sorted(path.name for path in (self.root / "build/deps").iterdir() if path.name != ".lock")

    def pretend_built(self, stamp):
        for name in ("lib/libssh.a", "include-internal/libssh/session.h"):
            (self.built / name).parent.mkdir(parents=True, exist_ok=True)
            (self.built / name).write_text("")
        (self.built / "stamp").write_text(stamp)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    return Tree(root)


def mirror(root):
    """An archive that has libssh, and that nobody signed."""
    release = root / "dists/forky"
    (release / "main/source").mkdir(parents=True)
    sources = "Package: libssh\nVersion: 0.12.2-1\nDirectory: pool\nFormat: 3.0 (quilt)\n\n"
    (release / "main/source/Sources").write_text(sources)
    listed = subprocess.run(["sha256sum", release / "main/source/Sources"], capture_output=True, text=True)
    digest = listed.stdout.split()[0]
    (release / "Release").write_text("Origin: Debian\nCodename: forky\nComponents: main\n"
                                     "Date: Mon, 02 Nov 2026 00:00:00 UTC\n"
                                     f"SHA256:\n {digest} {len(sources)} main/source/Sources\n")


@pytest.mark.parametrize("options", ["", "[trusted=yes]"])
def test_an_archive_that_nobody_signed_is_refused(tree, options):
    mirror(tree.root / "archive")
    tree.sources.write_text(f"deb {options} file:{tree.root}/archive bookworm main\n")
    run = tree.run()
    assert run.returncode == 1
    assert "is not signed" in run.stderr
    assert "apt-get install debian-archive-keyring" in run.stderr
    assert tree.leavings() == []


def test_no_mirror_and_a_mirror_out_of_reach_say_what_to_do(tree):
    run = tree.run()
    assert run.returncode == 1
    assert "the sources of apt name no mirror of Debian" in run.stderr
    tree.sources.write_text(f"deb file:{tree.root}/nowhere bookworm main\n")
    run = tree.run()
    assert run.returncode == 1
    assert f"forky of file:{tree.root}/nowhere: E: " in run.stderr
    assert "sid of file:" in run.stderr
    assert "then run conf/setup again" in run.stderr
    assert tree.leavings() == []


def test_only_a_whole_build_of_these_options_counts(tree):
    assert tree.run("--check").returncode == 1
    sourced = "source <(sed '/^case/,$d; s/^root=.*/root=/' \"$0\"); stamp_of \"$1\""
    stamps = {version: subprocess.run(["bash", "-c", sourced, tree.root / "conf/libssh", version], text=True,
                                      capture_output=True, check=True).stdout
              for version in ("0.12.2-1", "0.12.9-1", "0.13.0-1", "0.12.1-9")}
    for version, enough in (("0.12.2-1", True), ("0.12.9-1", True), ("0.13.0-1", False), ("0.12.1-9", False)):
        tree.pretend_built(stamps[version])
        assert (tree.run("--check").returncode == 0) == enough, version
    tree.pretend_built(stamps["0.12.2-1"].replace("-DWITH_EXEC=OFF", "-DWITH_EXEC=ON"))
    assert tree.run("--check").returncode == 1
    for name in ("lib/libssh.a", "include-internal/libssh/session.h", "stamp"):
        tree.pretend_built(stamps["0.12.2-1"])
        assert tree.run("--check").returncode == 0
        assert tree.run().stdout == ""
        (tree.built / name).unlink()
        assert tree.run("--check").returncode == 1, name


def test_what_a_killed_run_left_is_cleared_away(tree):
    (tree.root / "build/deps/.libssh.killed/prefix").mkdir(parents=True)
    assert tree.run("--check").returncode == 1
    assert tree.run().returncode == 1
    assert tree.leavings() == []
