"""What `make` does with a deployment, found by Terraform's outputs.

  operate.py seed CATALOG.csv     embed a catalog and publish it; the first time, and with --prepare, apply the bucket first
  operate.py invoke [JOB]         ask the function itself, without the queue; the job as JSON, or in $JOB
  operate.py status [--watch]     queues, catalog, and whether the event source mapping is on; --json for programs
  operate.py pause                switch the event source mapping off: jobs wait in the queue
  operate.py resume               switch it on again
  operate.py load [OPTIONS]       sustained traffic by loadgen, with an account of every job
  operate.py logs                 follow the log
  operate.py prune-versions       delete published versions that nothing needs any more
  operate.py destroy              destroy the deployment, and wait until its instances are gone

Needs terraform, the AWS CLI (version 2) for all but seed and load, built programs for seed, status and load, and credentials as they find them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
# AWS takes one write a second on a capacity provider and its functions' versions.
SECONDS_BETWEEN_WRITES = 1.0


class Fault(Exception):
    """What went wrong and what to do, for people."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def confirmed(question: str, yes: bool) -> None:
    """Raises unless the answer is y, or --yes was given."""
    if not yes and input(f"{question} [y/N] ").strip().lower() != "y":
        raise Fault("nothing is done")


def run(*command: str, environment: dict | None = None) -> None:
    """Runs a command that talks to the terminal itself."""
    if start(command, env=os.environ | (environment or {})).returncode != 0:
        raise Fault(f"{' '.join(command[:3])} ... failed: its messages stand above")


def start(command, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end."""
    try:
        return subprocess.run(command, **options)
    except FileNotFoundError:
        needed = {"aws": "the AWS CLI, version 2", "terraform": "Terraform"}.get(command[0], "`make build`")
        raise Fault(f"there is no `{command[0]}`: this needs {needed}") from None


def aws(*arguments: str, region: str, environment: dict | None = None) -> dict:
    """The answer of a call by the AWS CLI; all of its pages."""
    command = ["aws", *arguments, "--region", region, "--output", "json"]
    done = start(command, capture_output=True, text=True, env=os.environ | (environment or {}))
    if done.returncode != 0:
        raise Fault(f"aws {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return json.loads(done.stdout or "{}")


class Deployment:
    """Outputs of the state that `make deploy` wrote."""

    def __init__(self) -> None:
        done = start(["terraform", f"-chdir={HERE}", "output", "-json"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Fault(f"terraform cannot tell what is deployed: {done.stderr.strip()}")
        self.outputs = {name: output["value"] for name, output in json.loads(done.stdout).items()}

    def __getitem__(self, name: str):
        if name not in self.outputs:
            raise Fault(f"terraform's state has no output `{name}`: run `make deploy` first")
        return self.outputs[name]

    def settings(self) -> dict:
        """The environment for nearline, loadgen and the AWS CLI."""
        return dict(line.split("=", 1) for line in self["settings"].splitlines())

    def region(self) -> str:
        return self.settings()["AWS_REGION"]


def seed(arguments: argparse.Namespace) -> None:
    run("terraform", f"-chdir={HERE}", "init", "-input=false")
    deployment = Deployment()
    if arguments.prepare or "settings" not in deployment.outputs:
        say("Bucket, table and queues come first, and the worker once there is a catalog for it.")
        run("terraform", f"-chdir={HERE}", "apply", "-target=module.storage", "-target=module.queue")
        deployment = Deployment()
    settings = deployment.settings()
    nearline, artifact = BINARIES / "debug" / "nearline", HERE.parent / "dist" / "catalog.arrow"
    artifact.parent.mkdir(exist_ok=True)
    attributes = ["--attributes", arguments.attributes] if arguments.attributes else []
    files = ["--input", arguments.catalog, "--output", str(artifact)]
    run(str(nearline), "catalog", "build", *files, *attributes, environment=settings)
    run(str(nearline), "catalog", "publish", str(artifact), "--to", settings["NEARLINE_CATALOG"], environment=settings)


def invoke(arguments: argparse.Namespace) -> None:
    deployment = Deployment()
    job = arguments.job or os.environ.get("JOB")
    if not job:
        raise Fault("""which job? make invoke JOB='{"request_id":"a","query":"hiking boots"}'""")
    answer = HERE.parent / "dist" / "answer.json"
    answer.parent.mkdir(exist_ok=True)
    # A call that takes long is no call that failed: asked again, it would be a second invocation.
    called = aws("lambda", "invoke", "--function-name", deployment["alias_arn"], "--cli-binary-format", "raw-in-base64-out",
                 "--cli-read-timeout", "0", "--payload", job, str(answer), region=deployment.region(),
                 environment={"AWS_MAX_ATTEMPTS": "1"})  # fmt: skip
    print(answer.read_text().strip())
    if "FunctionError" in called:
        raise Fault(f"the function answered with an error ({called['FunctionError']}): it stands above")


def mapping(deployment: Deployment) -> dict:
    """The event source mapping between the job queue and what serves."""
    found = aws("lambda", "list-event-source-mappings", "--function-name", deployment["alias_arn"],
                "--event-source-arn", deployment["queue_arn"], region=deployment.region())["EventSourceMappings"]  # fmt: skip
    if len(found) != 1:
        raise Fault(f"{deployment['alias_arn']} has {len(found)} event source mappings to {deployment['queue_arn']}, not one: "
                    "run `make deploy`")  # fmt: skip
    return found[0]


def status(arguments: argparse.Namespace) -> None:
    deployment = Deployment()
    try:
        state, fault = mapping(deployment)["State"], None
    except Fault as found:
        state, fault = None, found
    nearline = [str(BINARIES / "debug" / "nearline"), "status", *(["--watch"] if arguments.watch else [])]
    environment = os.environ | deployment.settings()
    if arguments.json and not arguments.watch:
        done = start([*nearline, "--json"], stdout=subprocess.PIPE, text=True, env=environment)
        part = {"state": state} if fault is None else {"error": str(fault)}
        print(json.dumps({"mapping": part, **json.loads(done.stdout or "{}")}))
    else:
        # With --watch it is told once; for programs apart from their lines.
        line = f"{'mapping':<12}  {state if fault is None else f'cannot be read: {fault}'}"
        print(line, file=sys.stderr if arguments.json else sys.stdout, flush=True)
        done = start([*nearline, *(["--json"] if arguments.json else [])], env=environment)
    if done.returncode != 0:
        raise Fault("nearline status failed: its message stands above")
    if fault:
        raise fault


def retention(deployment: Deployment) -> str:
    """For how long the queue keeps a job, for people."""
    asked = aws("sqs", "get-queue-attributes", "--queue-url", deployment["queue_url"], "--attribute-names",
                "MessageRetentionPeriod", region=deployment.region())  # fmt: skip
    seconds = int(asked["Attributes"]["MessageRetentionPeriod"])
    return f"{seconds / 86400:g} days" if seconds >= 86400 else f"{seconds / 3600:g} hours"


def switch(enabled: bool, wait_seconds: float) -> None:
    """Switches the mapping on or off, and waits until Lambda has done so."""
    deployment = Deployment()
    found, wanted = mapping(deployment), "Enabled" if enabled else "Disabled"
    uuid, region, end = found["UUID"], deployment.region(), time.monotonic() + wait_seconds
    if found["State"] != wanted:
        flag = "--enabled" if enabled else "--no-enabled"
        aws("lambda", "update-event-source-mapping", "--uuid", uuid, flag, region=region)
    while (found := aws("lambda", "get-event-source-mapping", "--uuid", uuid, region=region))["State"] != wanted:
        if time.monotonic() > end:
            raise Fault(f"the event source mapping {uuid} is still {found['State']}, not {wanted}: look again with `make status`")
        say(f"waiting for Lambda: {found['State']}")
        time.sleep(min(5, max(0.1, wait_seconds / 60)))
    if enabled:
        say("resumed: Lambda takes jobs from the queue. If terraform.tfvars says mapping_enabled = false, the next `make deploy` "
            "switches it off again.")  # fmt: skip
        return
    say(f"paused: Lambda takes no more jobs from the queue; those that it had taken are finished. Jobs wait there for up to "
        f"{retention(deployment)} from when each was sent, and are lost after that; those with not_after may expire. `make "
        "resume` goes on. The next `make deploy` switches it on again, unless terraform.tfvars says mapping_enabled = false.")  # fmt: skip


def pause(arguments: argparse.Namespace) -> None:
    switch(False, arguments.wait_seconds)


def resume(arguments: argparse.Namespace) -> None:
    switch(True, arguments.wait_seconds)


def load(arguments: argparse.Namespace) -> None:
    run(str(BINARIES / "release" / "loadgen"), *arguments.options, environment=Deployment().settings())


def logs(_: argparse.Namespace) -> None:
    deployment = Deployment()
    run("aws", "logs", "tail", deployment["log_group"], "--follow", "--format", "short", "--region", deployment.region())


def doomed_versions(versions: list[int], aliases: list[dict], keep: int) -> list[int]:
    """Versions that no alias names, that are not the newest, and not among the `keep` before the one that serves."""
    served = {int(alias["FunctionVersion"]) for alias in aliases}
    for alias in aliases:
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        served |= {int(version) for version in weights}
    if not versions or not served:
        raise Fault("there is no published version behind an alias: nothing is deleted")
    older = sorted(version for version in versions if version < min(served))
    needed = served | {max(versions)} | set(older[len(older) - keep :] if keep else [])
    return sorted(set(versions) - needed)


def prune_versions(arguments: argparse.Namespace) -> None:
    deployment = Deployment()
    function, region = deployment["function_name"], deployment.region()
    listed = aws("lambda", "list-versions-by-function", "--function-name", function, region=region)["Versions"]
    # $LATEST and $LATEST.PUBLISHED are not among those that can be deleted.
    versions = [int(version["Version"]) for version in listed if version["Version"].isdigit()]
    aliases = aws("lambda", "list-aliases", "--function-name", function, region=region)["Aliases"]
    doomed = doomed_versions(versions, aliases, arguments.keep)
    say(f"{function} has {len(versions)} published versions of the 100 that a capacity provider holds: {versions}")
    if not doomed:
        say("none can go")
        return
    confirmed(f"delete {doomed}? Each keeps a baseline of environments running and billed.", arguments.yes)
    for version in doomed:
        aws("lambda", "delete-function", "--function-name", function, "--qualifier", str(version), region=region)
        say(f"deleted version {version}")
        time.sleep(SECONDS_BETWEEN_WRITES)


def instances(provider: str, region: str) -> list[str]:
    """Instances of a capacity provider. They are hidden from whoever does not ask for managed ones."""
    found = aws("ec2", "describe-instances", "--include-managed-resources", "--filters",
                f"Name=tag:aws:lambda:capacity-provider,Values={provider},*:{provider}",
                "Name=instance-state-name,Values=pending,running,stopping,shutting-down", region=region)  # fmt: skip
    return [instance["InstanceId"] for reservation in found["Reservations"] for instance in reservation["Instances"]]


def destroy(arguments: argparse.Namespace) -> None:
    deployment = Deployment()
    outputs = deployment.outputs
    if outputs.get("deletion_protection"):
        raise Fault("the deployment is protected: set deletion_protection = false in terraform.tfvars and run `make deploy`. "
                    "After that, destroying it takes records and catalogs with it")  # fmt: skip
    if "settings" in outputs and "deletion_protection" not in outputs:
        raise Fault("only what `make seed` makes is there, and its table protects itself: set deletion_protection = false in "
                    "terraform.tfvars, `terraform -chdir=terraform apply -target=module.storage`, "
                    "`terraform -chdir=terraform destroy`")  # fmt: skip
    # Terraform forgets its outputs first: what is needed to go on after a failure is kept beside.
    kept = HERE.parent / "dist" / "destroying.json"
    if outputs.get("own_capacity_provider"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({"provider": deployment["capacity_provider"], "region": deployment.region()}))
    ours = json.loads(kept.read_text()) if kept.exists() else None
    if ours:
        instances(**ours)  # whoever may not look should know before there is nothing left to look by
    run("terraform", f"-chdir={HERE}", "destroy")
    if not ours:
        return
    end = time.monotonic() + arguments.wait_seconds
    while left := instances(**ours):
        if time.monotonic() > end:
            raise Fault(f"instances of {ours['provider']} are still there, and cost: {', '.join(left)}. Only Lambda can end them: "
                        "run this again later, and see what its console says of the capacity provider; if it is gone, ask AWS")  # fmt: skip
        say(f"waiting for Lambda to end {', '.join(left)}")
        time.sleep(min(10, max(0.1, arguments.wait_seconds / 60)))
    kept.unlink()
    say(f"no instance of {ours['provider']} is left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("seed")
    command.add_argument("catalog", help="CSV with product_id,category,text[,title][,embedding]")
    command.add_argument("--prepare", action="store_true", help="after another model or prefix was set: let these outputs follow")
    command.add_argument("--attributes", metavar="NAMES", help="columns that jobs may filter by and ask for: brand,price")
    command.set_defaults(run=seed)
    command = commands.add_parser("invoke")
    command.add_argument("job", nargs="?", help="the job as JSON; otherwise $JOB")
    command.set_defaults(run=invoke)
    command = commands.add_parser("status")
    command.add_argument("--watch", action="store_true", help="look again and again until Ctrl-C")
    command.add_argument("--json", action="store_true", help="one JSON object; with --watch a line for each look")
    command.set_defaults(run=status)
    for name, function in (("pause", pause), ("resume", resume)):
        command = commands.add_parser(name)
        command.add_argument("--wait-seconds", type=float, default=300, help="how long to wait for Lambda (300)")
        command.set_defaults(run=function)
    commands.add_parser("load").set_defaults(run=load)
    commands.add_parser("logs").set_defaults(run=logs)
    command = commands.add_parser("prune-versions")
    command.add_argument("--keep", type=int, default=1, help="versions before the one that serves to keep, to go back to (1)")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(run=prune_versions)
    command = commands.add_parser("destroy")
    command.add_argument("--wait-seconds", type=float, default=900, help="how long to wait for the instances (900)")
    command.set_defaults(run=destroy)
    # Only `load` has options that are not its own.
    arguments, options = parser.parse_known_args()
    arguments.options = options
    if arguments.options and arguments.run is not load:
        parser.error(f"unknown: {' '.join(arguments.options)}")
    arguments.run(arguments)


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(f"operate: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
