"""package.py's checks against real executables, which the C compiler makes, and its zip."""

import io
import subprocess
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import package


def executable(*options: str) -> bytes:
    """A program for this machine."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program"
        command = ["cc", "-x", "c", "-", "-o", str(program), *options]
        subprocess.run(command, input=b"int main(void) { return 0; }", check=True)
        return program.read_bytes()


NATIVE = package.inspect(executable("-s"))


class Check(unittest.TestCase):
    def test_a_stripped_executable_of_the_architecture_passes(self):
        with mock.patch.object(package, "GLIBC_NEWEST", NATIVE["glibc"]):
            self.assertEqual(package.check(executable("-s"), NATIVE["arch"]), NATIVE)
        self.assertGreaterEqual(NATIVE["glibc"], (2, 2))

    def test_another_architecture_is_named(self):
        other = next(arch for arch in package.ARCHITECTURES if arch != NATIVE["arch"])
        with self.assertRaisesRegex(package.Fault, f"is for {NATIVE['arch']}, not for {other}"):
            package.check(executable("-s"), other)

    def test_a_newer_glibc_is_named(self):
        with mock.patch.object(package, "GLIBC_NEWEST", (2, 1)), self.assertRaisesRegex(package.Fault, r"needs glibc 2\.\d+, and .* has 2\.1:"):
            package.check(executable("-s"), NATIVE["arch"])

    def test_what_does_not_say_is_refused(self):
        with self.assertRaisesRegex(package.Fault, "does not say which glibc"):
            package.check(executable("-s", "-static"), NATIVE["arch"])

    def test_a_feature_of_a_newer_glibc_is_named(self):
        with self.assertRaisesRegex(package.Fault, "only a newer glibc has: ABI_DT_RELR"):
            package.check(executable("-s", "-Wl,-z,pack-relative-relocs", "-pie"), NATIVE["arch"])

    def test_symbols_are_named(self):
        with mock.patch.object(package, "GLIBC_NEWEST", (9, 9)), self.assertRaisesRegex(package.Fault, r"not stripped: it has .*\.symtab"):
            package.check(executable("-g"), NATIVE["arch"])


class Pack(unittest.TestCase):
    def test_the_same_executable_gives_the_same_zip_at_any_time(self):
        first = package.pack(b"program")
        with mock.patch("time.time", return_value=4_000_000_000):
            self.assertEqual(package.pack(b"program"), first)
        self.assertNotEqual(package.pack(b"another"), first)

    def test_lambda_finds_an_executable_bootstrap(self):
        (entry,) = zipfile.ZipFile(io.BytesIO(package.pack(b"program"))).infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16, entry.date_time[0]), ("bootstrap", 0o100755, 1980))

    def test_a_zip_that_lambda_would_not_take_is_refused(self):
        with mock.patch.object(package, "ZIP_BYTES_MAX", 10), self.assertRaisesRegex(package.Fault, "Lambda takes 10"):
            package.pack(b"program")


class Unpack(unittest.TestCase):
    def zip(self, name: str, mode: int) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "a.zip"
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(entry, b"program")
        return path

    def test_what_was_packed(self):
        self.assertEqual(package.unpack(self.zip("bootstrap", 0o100755)), b"program")

    def test_anything_else_is_refused(self):
        with self.assertRaisesRegex(package.Fault, "holds \\['main'\\]"):
            package.unpack(self.zip("main", 0o100755))
        with self.assertRaisesRegex(package.Fault, "not executable"):
            package.unpack(self.zip("bootstrap", 0o100644))


if __name__ == "__main__":
    unittest.main()
