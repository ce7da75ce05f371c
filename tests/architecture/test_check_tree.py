#!/usr/bin/python3
"""check_tree.py finds what it is there to find: each rule is broken once, in a tree made for it."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_tree


class CheckTree(unittest.TestCase):
    def offences(self, name, text):
        with tempfile.TemporaryDirectory() as root:
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return list(check_tree.check(root))

    def test_allowed_includes(self):
        for name, text in [("gateway/a.cpp", '#include "routing/route.hpp"\n#include <vector>\n'),
                           ("tests/unit/a.cpp", '#include "gateway/net/fd.hpp"\n'),
                           ("base/a.cpp", '#include "base/log.hpp"\n#include <openssl/ssl.h>\n')]:
            self.assertEqual(self.offences(name, text), [])

    def test_forbidden_includes(self):
        for name, target in [("base/a.hpp", "routing/route.hpp"), ("routing/a.cpp", "gateway/x.hpp"),
                             ("backends/docker/a.cpp", "control/store/x.hpp"),
                             ("control/a.cpp", "gateway/x.hpp"), ("gateway/a.cpp", "control/x.hpp"),
                             ("gateway/a.cpp", "backends/backend.h"), ("record/a.cpp", "gateway/x.hpp")]:
            found = self.offences(name, f'\n#include "{target}"\n')
            self.assertEqual(len(found), 1, (name, target))
            self.assertIn(f"{name}:2:", found[0])

    def test_angle_brackets_do_not_hide_a_room(self):
        self.assertEqual(len(self.offences("base/a.hpp", "# include <gateway/x.hpp>\n")), 1)

    def test_includes_are_spelt_from_the_root(self):
        self.assertEqual(len(self.offences("base/a.cpp", '#include "log.hpp"\n')), 1)

    def test_long_files(self):
        self.assertEqual(self.offences("base/a.cpp", "\n" * 600), [])
        self.assertEqual(len(self.offences("base/a.cpp", "\n" * 601)), 1)
        self.assertEqual(self.offences("tests/integration/test_a.py", "\n" * 450), [])
        self.assertEqual(len(self.offences("tests/integration/test_a.py", "\n" * 451)), 1)
        self.assertEqual(self.offences("tests/integration/harness/a.py", "\n" * 451), [])

    def test_long_lines(self):
        for name in ("tests/a.py", "tests/unit/a.cpp", "conf/demo/a.py", "routing/a.hpp", "control/a.cpp"):
            self.assertEqual(self.offences(name, "x" * 110 + "\n"), [])
            found = self.offences(name, "\n" + "x" * 111 + "\n")
            self.assertEqual(found, [f"{name}:2: 111 columns, 110 at most: wrap it"])
        self.assertEqual(self.offences("README.md", "x" * 200), [], "prose is not code")

    def test_awaits_in_conditions(self):
        for line in ("if (co_await f()) {", "while (!co_await f(g(1))) {", "if (a) x = co_await f() ? 1 : 2;",
                     "return a ? co_await f() : 0;", "const bool b = a && co_await f();",
                     "EXPECT_FALSE(co_await f());", "  ASSERT_EQ(co_await f(), 1);"):
            for name in ("gateway/a.cpp", "tests/unit/a.cpp"):
                self.assertEqual(len(self.offences(name, line + "\n")), 1, line)
        for line in ("const bool b = co_await f();", "if (slow) co_await f();",
                     "while (n == 0) co_await f();", "if (a) co_return co_await f(b ? 1 : 2);",
                     "// if (co_await f())"):
            self.assertEqual(self.offences("tests/unit/a.cpp", line + "\n"), [], line)

    def test_hosts_and_paths(self):
        self.assertEqual(len(self.offences("conf/a", "curl https://pypi" + ".org/simple\n")), 1)
        self.assertEqual(len(self.offences("conf/a", "cd /wor" + "k/main/x\n")), 1)
        self.assertEqual(len(self.offences("conf/a", "x=/hom" + "e/alice/src\n")), 1)
        harmless = "/etc/envgate/routes.yaml $ROOT/work/x https://a/work/b\n"
        self.assertEqual(self.offences("conf/a", harmless), [])


if __name__ == "__main__":
    unittest.main()
