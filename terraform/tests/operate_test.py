"""operate.py against stand-ins of `terraform` and `aws` that say what they were asked."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from operate import Fault, doomed_versions  # noqa: E402

OUTPUTS = {
    "settings": "AWS_REGION=eu-west-1\nNEARLINE_QUEUE_URL=https://sqs/queue=1",
    "alias_arn": "arn:aws:lambda:eu-west-1:123456789012:function:shop:live",
    "function_name": "shop",
    "queue_arn": "arn:aws:sqs:eu-west-1:123456789012:shop",
    "queue_url": "https://sqs/queue=1",
    "log_group": "/aws/lambda/shop",
    "capacity_provider": "shop",
    "own_capacity_provider": True,
    "deletion_protection": False,
}
# Each call's arguments are a line of the file $CALLS; answers come from the folder $ANSWERS: NAME of the call's first two
# words, or NAME.1, NAME.2, ... one after the other while they last.
AWS = """
import os, pathlib, sys
answers, words = pathlib.Path(os.environ["ANSWERS"]), sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write("aws " + " ".join(words) + "\\n")
    if "AWS_MAX_ATTEMPTS" in os.environ:
        calls.write("attempts: " + os.environ["AWS_MAX_ATTEMPTS"] + "\\n")
name = "-".join(words[:2])
numbered = sorted(answers.glob(name + ".*"))
if (answers / (name + "!")).exists():
    sys.exit((answers / (name + "!")).read_text())
if numbered:
    print(numbered[0].read_text())
    numbered[0].unlink()
elif (answers / name).exists():
    print((answers / name).read_text())
if words[:2] == ["lambda", "invoke"]:
    pathlib.Path(words[words.index("--payload") + 2]).write_text('{"status": "SUCCEEDED"}')
"""
TERRAFORM = """
import os, pathlib, sys
words = [word for word in sys.argv[1:] if not word.startswith("-chdir")]
with open(os.environ["CALLS"], "a") as calls:
    calls.write("terraform " + " ".join(words) + "\\n")
if words == ["output", "-json"]:
    print((pathlib.Path(os.environ["ANSWERS"]) / "outputs").read_text())
"""


class WithStandIns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "answers").mkdir()
        # A copy, so that what it leaves beside itself is not left in the project.
        (self.folder / "terraform").mkdir()
        shutil.copy(ROOT / "operate.py", self.folder / "terraform")
        (self.folder / "bin").mkdir()
        for name, source in (("aws", AWS), ("terraform", TERRAFORM)):
            program = self.folder / "bin" / name
            program.write_text(f"#!{sys.executable}\n{source}")
            program.chmod(0o755)
        self.outputs(OUTPUTS)

    def outputs(self, outputs):
        self.answer("outputs", {name: {"value": value} for name, value in outputs.items()})

    def answer(self, name, value):
        (self.folder / "answers" / name).write_text(value if isinstance(value, str) else json.dumps(value))

    def operate(self, *arguments, text="", **variables):
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment = ours | variables | {
            # Nothing else: the real `aws` and `terraform` must not be found.
            "PATH": str(self.folder / "bin"),
            "CALLS": str(self.folder / "calls"),
            "ANSWERS": str(self.folder / "answers"),
            "CARGO_TARGET_DIR": str(self.folder),
        }
        command = [sys.executable, str(self.folder / "terraform" / "operate.py"), *arguments]
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True)
        calls = self.folder / "calls"
        self.calls = calls.read_text().splitlines() if calls.exists() else []
        return done

    def program(self, name):
        """A program of ours that says what it was started with."""
        program = self.folder / name
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\necho "${0##*/} $* queue=$NEARLINE_QUEUE_URL region=$AWS_REGION"\n')
        program.chmod(0o755)


class Seed(WithStandIns):
    def test_a_catalog_is_built_and_published_with_the_deployments_settings(self):
        self.outputs(OUTPUTS | {"settings": OUTPUTS["settings"] + "\nNEARLINE_CATALOG=s3://bucket/catalog"})
        self.program("debug/nearline")
        lines = self.operate("seed", "products.csv").stdout.splitlines()
        self.assertRegex(lines[0], r"nearline catalog build --input products.csv .*queue=https://sqs/queue=1 region=eu-west-1")
        self.assertRegex(lines[1], r"nearline catalog publish .*catalog.arrow --to s3://bucket/catalog")
        self.assertEqual(self.calls, ["terraform init -input=false", "terraform output -json"])

    def test_a_catalog_is_built_with_the_attributes_that_are_named(self):
        self.outputs(OUTPUTS | {"settings": OUTPUTS["settings"] + "\nNEARLINE_CATALOG=s3://bucket/catalog"})
        self.program("debug/nearline")
        lines = self.operate("seed", "products.csv", "--attributes", "brand,price").stdout.splitlines()
        self.assertRegex(lines[0], r"nearline catalog build --input products.csv .*--attributes brand,price queue=")

    def test_the_bucket_comes_first(self):
        self.outputs({})
        done = self.operate("seed", "products.csv")
        self.assertEqual(self.calls[:3], ["terraform init -input=false", "terraform output -json", "terraform apply -target=module.storage -target=module.queue"])
        self.assertIn("run `make deploy` first", done.stderr)  # the stand-in made none

    def test_settings_may_be_made_to_follow(self):
        self.outputs(OUTPUTS | {"settings": OUTPUTS["settings"] + "\nNEARLINE_CATALOG=s3://bucket/catalog-2"})
        self.program("debug/nearline")
        done = self.operate("seed", "products.csv", "--prepare")
        self.assertEqual(self.calls[2], "terraform apply -target=module.storage -target=module.queue")
        self.assertIn("--to s3://bucket/catalog-2", done.stdout)


class Invoke(WithStandIns):
    def test_the_alias_is_asked(self):
        self.answer("lambda-invoke", {"StatusCode": 200})
        done = self.operate("invoke", '{"request_id":"a"}')
        self.assertEqual((done.returncode, done.stdout), (0, '{"status": "SUCCEEDED"}\n'))
        self.assertIn(f"--function-name {OUTPUTS['alias_arn']}", self.calls[-2])
        self.assertIn("--region eu-west-1", self.calls[-2])
        self.assertEqual(self.calls[-1], "attempts: 1")

    def test_the_job_may_stand_in_the_environment_with_quotes_of_any_kind(self):
        self.answer("lambda-invoke", {"StatusCode": 200})
        job = """{"request_id":"a","query":"women's boots, $5"}"""
        self.assertEqual(self.operate("invoke", JOB=job).returncode, 0)
        self.assertIn(f"--payload {job} ", self.calls[-2])

    def test_without_a_job_it_asks_for_one(self):
        self.assertIn("which job?", self.operate("invoke", JOB="").stderr)

    def test_an_error_of_the_function_is_a_failure(self):
        self.answer("lambda-invoke", {"StatusCode": 200, "FunctionError": "Unhandled"})
        done = self.operate("invoke", "{}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Unhandled", done.stderr)


class PauseAndResume(WithStandIns):
    def mapping(self, *states):
        """The mapping as it is listed, and then each time it is asked for."""
        self.answer("lambda-list-event-source-mappings", {"EventSourceMappings": [{"UUID": "u-1", "State": states[0]}]})
        self.answer("lambda-update-event-source-mapping", {})
        for number, state in enumerate(states[1:]):
            self.answer(f"lambda-get-event-source-mapping.{number}", {"UUID": "u-1", "State": state})
        self.answer("lambda-get-event-source-mapping", {"UUID": "u-1", "State": states[-1]})
        self.answer("sqs-get-queue-attributes", {"Attributes": {"MessageRetentionPeriod": "1209600"}})

    def asked(self, operation):
        return [call for call in self.calls if f" {operation} " in call]

    def test_the_mapping_of_the_queue_is_switched_off_and_waited_for(self):
        self.mapping("Enabled", "Disabling", "Disabling", "Disabled")
        done = self.operate("pause", "--wait-seconds", "20")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        listed = "aws lambda list-event-source-mappings --function-name arn:aws:lambda:eu-west-1:123456789012:function:shop:live --event-source-arn arn:aws:sqs:eu-west-1:123456789012:shop --region eu-west-1 --output json"
        self.assertIn(listed, self.calls)
        self.assertEqual(self.asked("update-event-source-mapping"), ["aws lambda update-event-source-mapping --uuid u-1 --no-enabled --region eu-west-1 --output json"])
        self.assertEqual(len(self.asked("get-event-source-mapping")), 3)
        for said in ("up to 14 days", "make resume", "mapping_enabled = false"):
            self.assertIn(said, done.stderr)

    def test_it_is_switched_on_again(self):
        self.mapping("Disabled", "Enabling", "Enabled")
        done = self.operate("resume", "--wait-seconds", "20")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--uuid u-1 --enabled ", self.asked("update-event-source-mapping")[0])
        self.assertIn("resumed", done.stderr)

    def test_what_is_paused_is_not_paused_again(self):
        self.mapping("Disabled")
        done = self.operate("pause")
        self.assertEqual((done.returncode, self.asked("update-event-source-mapping")), (0, []), done.stderr)
        self.assertIn("paused", done.stderr)

    def test_a_mapping_that_does_not_follow_is_a_failure(self):
        self.mapping("Enabled", "Disabling")
        done = self.operate("pause", "--wait-seconds", "0.3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("still Disabling, not Disabled", done.stderr)
        self.assertNotIn("paused", done.stderr)

    def test_without_its_mapping_it_says_so(self):
        self.answer("lambda-list-event-source-mappings", {"EventSourceMappings": []})
        done = self.operate("pause")
        self.assertEqual(done.returncode, 1)
        self.assertIn("has 0 event source mappings to arn:aws:sqs:eu-west-1:123456789012:shop", done.stderr)


class TheStatus(WithStandIns):
    def setUp(self):
        super().setUp()
        self.answer("lambda-list-event-source-mappings", {"EventSourceMappings": [{"UUID": "u-1", "State": "Enabled"}]})
        program = self.folder / "debug" / "nearline"
        program.parent.mkdir()
        program.write_text("""#!/bin/sh
case "$*" in *--json*) echo '{"queue":"'$NEARLINE_QUEUE_URL'"}';; *) echo "nearline $*";; esac
exit ${FAILS:-0}
""")
        program.chmod(0o755)

    def test_the_mapping_stands_above_the_rest(self):
        self.assertEqual(self.operate("status").stdout, "mapping       Enabled\nnearline status\n")
        self.assertEqual(self.operate("status", "--watch").stdout, "mapping       Enabled\nnearline status --watch\n")

    def test_for_programs_it_is_one_object(self):
        done = self.operate("status", "--json")
        self.assertEqual(json.loads(done.stdout), {"mapping": {"state": "Enabled"}, "queue": "https://sqs/queue=1"})

    def test_a_mapping_that_cannot_be_read_hides_nothing(self):
        self.answer("lambda-list-event-source-mappings!", "AccessDeniedException")
        done = self.operate("status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nearline status\n", done.stdout)
        self.assertIn("AccessDeniedException", done.stderr)
        self.assertIn("error", json.loads(self.operate("status", "--json").stdout)["mapping"])

    def test_what_nearline_cannot_read_is_a_failure(self):
        done = self.operate("status", FAILS="1")
        self.assertEqual((done.returncode, done.stdout), (1, "mapping       Enabled\nnearline status\n"))


class LoadAndLogs(WithStandIns):
    def test_options_reach_loadgen(self):
        self.program("release/loadgen")
        done = self.operate("load", "--rps", "50", "--duration", "1m")
        self.assertEqual(done.stdout, "loadgen --rps 50 --duration 1m queue=https://sqs/queue=1 region=eu-west-1\n")

    def test_the_log_group_is_followed(self):
        self.operate("logs")
        self.assertEqual(self.calls[-1], "aws logs tail /aws/lambda/shop --follow --format short --region eu-west-1")

    def test_a_state_that_cannot_be_read_is_not_taken_for_no_deployment(self):
        (self.folder / "answers" / "outputs").unlink()
        done = self.operate("seed", "products.csv")
        self.assertEqual((done.returncode, self.calls), (1, ["terraform init -input=false", "terraform output -json"]))
        self.assertIn("terraform cannot tell what is deployed", done.stderr)

    def test_a_program_that_is_not_there_is_named(self):
        (self.folder / "bin" / "aws").unlink()
        done = self.operate("logs")
        self.assertEqual(done.returncode, 1)
        self.assertIn("this needs the AWS CLI, version 2", done.stderr)

    def test_without_a_deployment_it_says_so(self):
        self.outputs({})
        done = self.operate("logs")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "operate: terraform's state has no output `log_group`: run `make deploy` first\n")


class PruneVersions(WithStandIns):
    def test_what_serves_is_kept_and_what_one_may_go_back_to(self):
        live = [{"FunctionVersion": "8"}]
        self.assertEqual(doomed_versions([3, 5, 7, 8, 9], live, keep=1), [3, 5])
        self.assertEqual(doomed_versions([3, 5, 7, 8, 9], live, keep=2), [3])
        self.assertEqual(doomed_versions([3, 5, 7, 8, 9], live, keep=0), [3, 5, 7])
        self.assertEqual(doomed_versions([8], live, keep=1), [])

    def test_versions_that_are_tried_on_some_of_the_traffic_are_kept(self):
        shifted = [{"FunctionVersion": "5", "RoutingConfig": {"AdditionalVersionWeights": {"8": 0.1}}}, {"FunctionVersion": "6"}]
        self.assertEqual(doomed_versions([3, 4, 5, 6, 7, 8, 9], shifted, keep=1), [3, 7])

    def test_without_an_alias_nothing_is_deleted(self):
        with self.assertRaises(Fault):
            doomed_versions([3, 5], [], keep=1)

    def versions(self):
        self.answer("lambda-list-versions-by-function", {"Versions": [{"Version": v} for v in ["$LATEST", "$LATEST.PUBLISHED", "1", "2", "10", "11"]]})
        self.answer("lambda-list-aliases", {"Aliases": [{"FunctionVersion": "11"}]})

    def test_they_are_deleted_once_somebody_says_yes(self):
        self.versions()
        done = self.operate("prune-versions", text="y\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        deleted = [call.split("--qualifier ")[1].split()[0] for call in self.calls if "delete-function" in call]
        self.assertEqual(deleted, ["1", "2"])
        self.assertFalse(any(call.startswith("attempts") for call in self.calls), "a throttled deletion is tried again")
        self.assertTrue(all("--function-name shop" in call for call in self.calls if "delete-function" in call))

    def test_nothing_is_deleted_otherwise(self):
        self.versions()
        done = self.operate("prune-versions", text="\n")
        self.assertEqual(done.returncode, 1)
        self.assertFalse(any("delete-function" in call for call in self.calls))


class Destroy(WithStandIns):
    def some(self, *ids):
        return {"Reservations": [{"Instances": [{"InstanceId": instance}]} for instance in ids]}

    def test_it_waits_until_no_instance_is_left(self):
        self.answer("ec2-describe-instances.1", self.some("i-1", "i-2"))
        self.answer("ec2-describe-instances.2", self.some("i-1", "i-2"))
        self.answer("ec2-describe-instances.3", self.some("i-2"))
        self.answer("ec2-describe-instances", self.some())
        done = self.operate("destroy", "--wait-seconds", "30")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([call for call in self.calls if call.startswith("terraform")], ["terraform output -json", "terraform destroy"])
        self.assertIn("--include-managed-resources", self.calls[-1])
        self.assertIn("waiting for Lambda to end i-2\n", done.stderr)
        self.assertIn("no instance of shop is left", done.stderr)

    def test_instances_that_stay_are_a_failure(self):
        self.answer("ec2-describe-instances", self.some("i-1"))
        done = self.operate("destroy", "--wait-seconds", "0.5")
        self.assertEqual(done.returncode, 1)
        self.assertIn("are still there, and cost: i-1", done.stderr)

    def test_who_may_not_look_does_not_destroy(self):
        self.answer("ec2-describe-instances!", "Unknown options: --include-managed-resources")
        done = self.operate("destroy")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Unknown options", done.stderr)
        self.assertNotIn("terraform destroy", self.calls)

    def test_a_protected_deployment_stays(self):
        self.outputs(OUTPUTS | {"deletion_protection": True})
        done = self.operate("destroy")
        self.assertEqual(done.returncode, 1)
        self.assertIn("set deletion_protection = false", done.stderr)
        self.assertEqual(self.calls, ["terraform output -json"])

    def test_what_seed_alone_has_made_is_protected_too(self):
        self.outputs({"settings": OUTPUTS["settings"]})
        done = self.operate("destroy")
        self.assertEqual((done.returncode, self.calls), (1, ["terraform output -json"]))
        self.assertIn("apply -target=module.storage", done.stderr)

    def test_after_a_failure_it_goes_on_where_it_was(self):
        self.answer("ec2-describe-instances", self.some("i-1"))
        self.assertEqual(self.operate("destroy", "--wait-seconds", "0.2").returncode, 1)
        self.outputs({})  # as Terraform leaves it
        self.answer("ec2-describe-instances", self.some())
        done = self.operate("destroy")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no instance of shop is left", done.stderr)
        self.assertFalse((self.folder / "dist" / "destroying.json").exists())

    def test_instances_of_others_are_not_waited_for(self):
        self.outputs(OUTPUTS | {"own_capacity_provider": False})
        done = self.operate("destroy")
        self.assertEqual((done.returncode, self.calls), (0, ["terraform output -json", "terraform destroy"]))


if __name__ == "__main__":
    unittest.main()
