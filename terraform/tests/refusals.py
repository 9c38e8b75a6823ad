"""Gives each variable each kind of bad value, and reads Terraform's answer: the right variable, with its message.

`terraform test` can expect that a variable is refused, but not why. A round is one plan with many bad values. At the end every `error_message` in variables*.tf must
have been seen. Run it by `make test-terraform`; needs `terraform init`, and no account.
"""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What is given and, of each variable that must refuse it, a part of its message. Where a variable is compared with
# another that is itself refused, Terraform does not compare: those stand in another round.
ROUNDS = [
    {
        "name": ("Shop_Search", "3 to 36 lowercase letters"),
        "region": ("Frankfurt", "name of an AWS region"),
        "permissions_boundary_arn": ("boundary", "ARN of an IAM policy"),
        "networking_mode": ("vpn", "vpc_endpoints, nat, public or existing"),
        "vpc_cidr": ("10.0.0.0/28", "from /16 to /24"),
        "availability_zone_count": (1, "from 2 to 6"),
        "nat_gateways": ("two", "one or one_per_zone"),
        "producer_arns": (["*"], "Wildcards are not allowed"),
        "message_retention_seconds": (30, "60 to 1,209,600"),
        "catalog_prefix": ("/catalog", "not lie in results/"),
        "catalog_expiration_days": (30, "at least 90"),
        "results_ttl_seconds": (10, "from 60 to 157,680,000"),
        "recovery_days": (36, "from 1 to 35"),
        "stream_view_type": ("ALL", "NEW_AND_OLD_IMAGES or null"),
        "warm_throughput": ({"read": 100, "write": 100}, "every on-demand table has that"),
        "compute": ("fargate", "managed_instances or standard"),
        "architecture": ("arm", "arm64 or x86_64"),
        "scaling_mode": ("auto", "Auto or Manual"),
        "target_cpu_percent": (100, "10 to 90"),
        "excluded_instance_types": (["metal"], "types such as m7g.metal"),
        "producer_topics": ([{"arn": "searches"}], "ARNs of SNS topics"),
        "memory_gib_per_vcpu": (3, "2, 4 or 8"),
        "live_version": ("latest", "number of a published version"),
        "embedding_model": ("amazon.titan-embed-text-v1", "amazon.nova-2-multimodal-embeddings-v1:0"),
        "embedding_max_concurrency": (0, "from 1 to 1,000"),
        "embedding_requests_per_minute": (0, "from 1 to 1,000,000"),
        "embedding_fleet_requests_per_minute": (0.5, "from 1 to 1,000,000"),
        "embedding_service_tier": ("fast", "default, flex, priority or reserved"),
        "catalog_refresh_seconds": (-1, "0 (never) to 86,400"),
        "max_attempts": (0, "from 1 to 500"),
        "search_threads": (0, "from 1 to 1,024"),
        "log_filter": ("verbose", "info,nearline::embed=debug"),
        "release": ("x" * 181, "180 characters at most"),
        "also_embedding_models": (["Titan *"], "ids of models"),
        "also_catalog_prefixes": (["catalog/"], "without slashes at their ends"),
        "log_retention_days": (31, "400, 545"),
        "metrics": ("statsd", "filters or emf"),
        "oldest_message_seconds": (5, "at least 10"),
        "alarm_emails": (["on-call"], "e-mail addresses"),
        "quiet_tenant_seconds": (9, "at least 10"),
        "embedding_slow_ms": (0, "from 1 to 900,000"),
        "scan_slow_ms": (900001, "from 1 to 900,000"),
        "text_refused_percent": (0, "above 0 and below 100"),
        "alarm_topic_arns": (["pager"], "ARNs of SNS topics"),
        "ticket_topic_arns": (["morning"], "ARNs of SNS topics"),
        "provisioned_pollers": ({"min": 1, "max": 1}, "min of 2 to 200"),
        "batch_window_seconds": (301, "from 0 to 300"),
    },
    {
        "kms_mode": ("alias/mine", "aws_owned, customer_managed, or the ARN of a key"),
        "availability_zones": (["us-east-1a"], "2 to 6 different zones"),
        "bucket_name": ("My.Bucket", "3 to 63 lowercase letters"),
        "package_file": ("nowhere.zip", "run `make package`"),
        "capacity_provider_arn": ("shared", "ARN of a capacity provider"),
        "allowed_instance_types": (["t4g.large"], "such as c8g.xlarge, or patterns"),
        "runtime_version_arn": (f"arn:aws:lambda:eu-west-1::runtime:{'0a' * 32}", "another region"),
        "schedule": ({"steps": {"night": {"at": "cron(0 22 ? * * *)"}}}, "both or neither of environments and take_jobs"),
        "notices": ({"target_arn": "arn:aws:sqs:eu-west-1:123456789012:answered"}, "another region"),
        "producer_topics": ([{"arn": "arn:aws:sns:us-east-1:123456789012:s", "filter_policy": "search"}], "no JSON object"),
        "newest_version_weight": (1, "at least 0 and below 1"),
        "batch_size": (0, "from 1 to 10,000"),
        "mapping_maximum_concurrency": (1, "from 2 to 1,000"),
        "max_concurrency": (1000, "2 to 64 for each vCPU"),
        "visibility_timeout_seconds": (359, "six times timeout_seconds"),
        "max_receive_count": (20, "twice max_attempts"),
        "embedding_dimension": (512, "Nova 2 256, 384, 1024 or 3072"),
    },
    {
        "kms_mode": ("arn:aws:kms:eu-west-1:123456789012:key/mine", "key of another region"),
        "availability_zones": (["eu-west-1a", "eu-west-1b"], "zones of the region"),
        "existing_subnet_ids": (["subnet-1"], "only when networking_mode is existing"),
        "existing_security_group_ids": (["sg-1"], "only when networking_mode is existing"),
        "allowed_instance_types": (["c8g.xlarge"], "exclude each other"),
        "excluded_instance_types": (["m8g.metal"], None),
        "schedule": ({"steps": {"night": {"at": "cron(0 22 ? * * *)", "environments": {"min": 0, "max": 3}}}}, "{ min = 0, max = 0 }"),
        "notices": ({"target_arn": "arn:aws:sqs:us-east-1:123456789012:answered", "statuses": ["FAILED"]}, "SUCCEEDED, REJECTED or both"),
        "producer_topics": ([{"arn": "arn:aws:sns:us-east-1:123456789012:s", "filter_policy_scope": "Body"}], "MessageAttributes or MessageBody"),
        "newest_version_weight": (0.1, "needs live_version"),
        "batch_size": (11, "above 10 needs batch_window_seconds"),
        "mapping_maximum_concurrency": (10, "exclude each other"),
        "provisioned_pollers": ({"min": 2, "max": 4}, None),
        "catalog_prefix": ("results/catalog", "not lie in results/"),
        "embedding_model": ("cohere.embed-english-v3", None),
        "embedding_dimension": (384, "Cohere v3 1024"),
    },
    {
        "capacity_provider_arn": ("arn:aws:lambda:us-east-1:123456789012:capacity-provider:shared", "has its network already"),
        "memory_mib": (3072, "2,048 to 32,768"),
        "memory_gib_per_vcpu": (4, None),
        "schedule": ({"steps": {"night": {"at": "cron(0 22 ? * * *)", "environments": {"min": 0, "max": 0}}}}, "needs a step back to some"),
        "stream_view_type": ("KEYS_ONLY", None),
        "notices": ({"target_arn": "arn:aws:sqs:ap-southeast-1:123456789012:answered"}, "stream with new images"),
        "producer_topics": ([{"arn": "arn:aws:sns:ap-southeast-1:123456789012:s"}], "FIFO topics"),
        "embedding_model_family": ("titan", "goes with an ARN"),
        "fifo_queue": (True, None),
        "batch_size": (20, "at most 10 with fifo_queue"),
        "name": ("a-name-that-is-allowed-but-quite-far", None),
        "region": ("ap-southeast-1", None),
        "bucket_name": (None, "name and region are too long"),
    },
    {
        "networking_mode": ("existing", None),
        "existing_subnet_ids": (["net-1"], "at least two subnets"),
        "existing_security_group_ids": ([], "at least one security group"),
        "fifo_queue": (True, None),
        "batch_window_seconds": (1, "0 with fifo_queue"),
        "additional_interface_endpoints": (["kms"], "only with networking_mode vpc_endpoints"),
        "memory_mib": (34816, "2,048 to 32,768"),
    },
    {
        "networking_mode": ("existing", None),
        "existing_subnet_ids": (["net-1", "net-2"], "ids of subnets"),
        "existing_security_group_ids": (["group"], "ids of security groups"),
        "compute": ("standard", None),
        "memory_mib": (10241, "512 to 10,240"),
        "timeout_seconds": (901, "from 5 to 900"),
        "runtime_version_arn": ("provided.al2023", "ARN of a runtime version"),
    },
    {
        "execution_environments": ({"min": 0, "max": 3}, "1 <= min <= max"),
        "timeout_seconds": (901, "at most 900 for now"),
        "schedule": ({"steps": {"Night": {"at": "22:00", "take_jobs": False}}}, "each with `at` such as"),
        "notices": ({"target_arn": "arn:aws:sqs:us-east-1:123456789012:answered.fifo"}, "no FIFO queue"),
    },
    {
        "execution_environments": ({"min": 0, "max": 0}, "needs mapping_enabled = false"),
    },
    {
        "execution_environments": ({"min": 25, "max": 50}, "than half of max_vcpu_count"),
    },
    {
        "allowed_instance_types": (["c8g.large", "r8g.large"], None),
        "execution_environments": ({"min": 1, "max": 1}, "fit on none of allowed_instance_types"),
    },
    {
        "compute": ("standard", None),
        "schedule": ({"steps": {"night": {"at": "cron(0 22 ? * * *)", "take_jobs": False}}}, "is for Managed Instances"),
        "max_concurrency": (8, "is for Managed Instances"),
        "max_vcpu_count": (1, "from 2 to 15,000"),
    },
    {
        "memory_mib": (16384, None),
        "max_vcpu_count": (95, "at least 12 times the vCPUs"),
        "log_filter": ("info,nearline=warn", "INFO lines"),
    },
    {
        "capacity_provider_arn": ("arn:aws:lambda:eu-west-1:123456789012:capacity-provider:shared", "another region"),
    },
]


def variables() -> str:
    """The code of all variables."""
    return "\n".join(path.read_text() for path in sorted(ROOT.glob("variables*.tf")))


def plan(given: dict, *options: str) -> list[dict]:
    """What Terraform has to say about a plan with these values."""
    with tempfile.NamedTemporaryFile("w", suffix=".tfvars.json") as values:
        # Any file will do as the package where nothing is uploaded.
        json.dump({"package_file": "versions.tf"} | given, values)
        values.flush()
        command = ["terraform", "plan", "-json", "-input=false", "-lock=false", f"-var-file={values.name}", *options]
        lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    return [line["diagnostic"] for line in map(json.loads, lines) if "diagnostic" in line]


def refusals(given: dict) -> list[tuple[str, str]]:
    """The values that Terraform refuses: (variable, message)."""
    found = []
    diagnostics = plan(given)
    for diagnostic in diagnostics:
        if diagnostic.get("summary") == "Invalid value for variable":
            detail = " ".join(diagnostic["detail"].split())
            # Whose it is stands in the code that Terraform quotes, and every message of ours begins with it.
            found.append((detail.split()[0], detail))
    if not found:
        sys.exit(f"terraform plan refused none of {list(given)}: {diagnostics}")
    return found


def example_faults() -> list[str]:
    """terraform.tfvars.example must be taken as it is, and its commented lines name variables that exist."""
    example = ROOT / "terraform.tfvars.example"
    declared = set(re.findall(r'^variable "(\w+)"', variables(), flags=re.MULTILINE))
    named = re.findall(r"^(?:# )?(\w+) += ", example.read_text(), flags=re.MULTILINE)
    unknown = [f"terraform.tfvars.example names {name}, which is no variable" for name in named if name not in declared]
    about_values = [diagnostic for diagnostic in plan({}, f"-var-file={example}") if "variable" in diagnostic["summary"].lower()]
    return unknown + [f"terraform.tfvars.example: {diagnostic['detail']}" for diagnostic in about_values]


def main() -> None:
    source = " ".join(variables().replace('\\"', '"').split())
    unseen = {" ".join(message.split()) for message in re.findall(r'error_message = "(.*?)" \}', source)}
    rules, faults = len(unseen), example_faults()
    # Two at a time: a plan waits for the provider more than it computes.
    with ThreadPoolExecutor(2) as plans:
        answers = list(plans.map(lambda case: refusals({variable: value for variable, (value, _) in case.items()}), ROUNDS))
    for case, found in zip(ROUNDS, answers):
        expected = {variable: part for variable, (_, part) in case.items() if part}
        for variable, part in expected.items():
            if not any(name == variable and part in detail for name, detail in found):
                faults.append(f"{variable} = {json.dumps(case[variable][0])} must be refused with `{part}`")
        for name, detail in found:
            if name not in expected:
                faults.append(f"{name} is refused unexpectedly: {detail}")
            unseen -= {message for message in unseen if detail.startswith(message)}
    faults += [f"no case is refused with: {message}" for message in sorted(unseen)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{rules - len(unseen)} of {rules} messages for bad values seen")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
