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
            path.parent.mkdir(parents=True)
            path.write_text(text)
            return list(check_tree.check(root))

    def test_allowed_includes(self):
        self.assertEqual(self.offences("gateway/a.cpp", '#include "routing/route.hpp"\n#include <vector>\n'), [])
        self.assertEqual(self.offences("tests/unit/a.cpp", '#include "gateway/net/fd.hpp"\n'), [])
        self.assertEqual(self.offences("base/a.cpp", '#include "base/log.hpp"\n#include <openssl/ssl.h>\n'), [])

    def test_forbidden_includes(self):
        for name, target in [("base/a.hpp", "routing/route.hpp"), ("routing/a.cpp", "gateway/x.hpp"),
                             ("backends/docker/a.cpp", "control/store/x.hpp"), ("control/a.cpp", "gateway/x.hpp"),
                             ("gateway/a.cpp", "control/x.hpp"), ("gateway/a.cpp", "backends/backend.h")]:
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

    def test_hosts_and_paths(self):
        self.assertEqual(len(self.offences("conf/a", "curl https://pypi" + ".org/simple\n")), 1)
        self.assertEqual(len(self.offences("conf/a", "cd /wor" + "k/main/x\n")), 1)
        self.assertEqual(len(self.offences("conf/a", "x=/hom" + "e/alice/src\n")), 1)
        self.assertEqual(self.offences("conf/a", "/etc/envgate/routes.yaml $ROOT/work/x https://a/work/b\n"), [])


if __name__ == "__main__":
    unittest.main()
