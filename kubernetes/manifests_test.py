"""What must hold between the lines of the manifests: what a stop waits for, and who asks what at which port."""

import unittest
from pathlib import Path

import yaml

HERE = Path(__file__).parent
DOCUMENTS = [document for path in sorted(HERE.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())]
BY_KIND = {document["kind"]: document for document in DOCUMENTS}
POD = BY_KIND["Deployment"]["spec"]["template"]["spec"]
WORKER = POD["containers"][0]


class Manifests(unittest.TestCase):
    def test_a_stop_waits_for_a_drain(self):
        arguments = WORKER["args"]
        batch = int(arguments[arguments.index("--batch-timeout") + 1])
        # A batch, 30 s to settle it, 15 s for the last calls, lines and spans.
        self.assertGreaterEqual(POD["terminationGracePeriodSeconds"], batch + 30 + 15)

    def test_probes_ask_where_the_worker_listens(self):
        port = int(WORKER["args"][-1].rsplit(":", 1)[1])
        self.assertEqual({"metrics": port}, {port["name"]: port["containerPort"] for port in WORKER["ports"]})
        self.assertEqual({"path": "/healthz", "port": "metrics"}, WORKER["livenessProbe"]["httpGet"])
        self.assertEqual({"path": "/readyz", "port": "metrics"}, WORKER["readinessProbe"]["httpGet"])

    def test_the_worker_is_nobody_and_writes_nothing(self):
        self.assertTrue(POD["securityContext"]["runAsNonRoot"] and WORKER["securityContext"]["readOnlyRootFilesystem"])
        self.assertNotIn("volumes", POD)

    def test_the_backlog_decides_how_many_there_are(self):
        scaled, queue = BY_KIND["ScaledObject"]["spec"], BY_KIND["ConfigMap"]["data"]["NEARLINE_QUEUE_URL"]
        self.assertEqual(BY_KIND["Deployment"]["metadata"]["name"], scaled["scaleTargetRef"]["name"])
        self.assertNotIn("replicas", BY_KIND["Deployment"]["spec"])
        self.assertEqual(queue, scaled["triggers"][0]["metadata"]["queueURL"])


if __name__ == "__main__":
    unittest.main()
