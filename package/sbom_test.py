"""The SBOM of this workspace: what is in it and what is not, and that it is the same each time."""

import copy
import json
import os
import re
import subprocess
import unittest
from unittest import mock

import sbom

TARGET = "x86_64-unknown-linux-gnu"
DOCUMENT = sbom.sbom(b"program", TARGET)
COMPONENTS = {component["name"]: component for component in DOCUMENT["components"]}


class Document(unittest.TestCase):
    def test_keeps_to_the_schema(self):
        self.assertEqual(json.loads(sbom.text(DOCUMENT)), DOCUMENT)
        broken = copy.deepcopy(DOCUMENT)
        broken["components"][0]["hashes"] = [{"alg": "SHA-256", "content": "none"}]
        with self.assertRaisesRegex(ValueError, "breaks the schema"):
            sbom.text(broken)

    def test_names_the_executable(self):
        component = DOCUMENT["metadata"]["component"]
        expected = subprocess.run(["sha256sum"], input=b"program", capture_output=True, check=True).stdout.split()[0].decode()
        self.assertEqual(component["hashes"], [{"alg": "SHA-256", "content": expected}])
        self.assertEqual((component["name"], component["purl"]), ("nearline", f"pkg:cargo/nearline@{component['version']}"))

    def test_is_the_same_each_time_and_another_for_another_executable(self):
        self.assertEqual(sbom.text(sbom.sbom(b"program", TARGET)), sbom.text(DOCUMENT))
        self.assertNotEqual(sbom.sbom(b"another", TARGET)["serialNumber"], DOCUMENT["serialNumber"])
        self.assertNotIn(str(sbom.ROOT), sbom.text(DOCUMENT))

    def test_has_a_time_only_if_one_is_given(self):
        self.assertNotIn("timestamp", DOCUMENT["metadata"])
        with mock.patch.dict(os.environ, SOURCE_DATE_EPOCH="1795435200"):
            self.assertEqual(sbom.sbom(b"program", TARGET)["metadata"]["timestamp"], "2026-11-23T12:00:00Z")


class Components(unittest.TestCase):
    def test_what_is_linked_is_required_and_what_only_builds_is_excluded(self):
        for name in ["tokio", "aws-sdk-sqs", "arrow-ipc", "zstd-sys", "nearline-contract", "nearline-search"]:
            self.assertEqual(COMPONENTS[name]["scope"], "required", name)
        for name in ["serde_derive", "syn", "cc"]:
            self.assertEqual(COMPONENTS[name]["scope"], "excluded", name)

    def test_what_only_tests_need_is_left_out(self):
        for name in ["devstack", "loadgen", "proptest", "allocation-counter", "libfuzzer-sys", "criterion", "ratatui"]:
            self.assertNotIn(name, COMPONENTS)

    def test_each_has_a_licence_and_all_but_our_own_a_checksum(self):
        for name, component in COMPONENTS.items():
            self.assertRegex(component["licenses"][0]["expression"], r"^[\w.()+ -]+$", name)
            hashes = component.get("hashes", [])
            self.assertEqual(len(hashes), 0 if name.startswith("nearline-") else 1, name)
            self.assertTrue(all(re.fullmatch("[0-9a-f]{64}", found["content"]) for found in hashes), name)

    def test_the_graph_has_each_of_them_and_reaches_all_from_the_executable(self):
        graph = {entry["ref"]: entry["dependsOn"] for entry in DOCUMENT["dependencies"]}
        root = DOCUMENT["metadata"]["component"]["bom-ref"]
        self.assertEqual(set(graph), {root} | {component["bom-ref"] for component in DOCUMENT["components"]})
        reached, open_ends = {root}, [root]
        while open_ends:
            for below in graph[open_ends.pop()]:
                if below not in reached:
                    reached.add(below)
                    open_ends.append(below)
        self.assertEqual(reached, set(graph))
        self.assertIn(COMPONENTS["sha2"]["bom-ref"], graph[COMPONENTS["nearline-contract"]["bom-ref"]])


if __name__ == "__main__":
    unittest.main()
