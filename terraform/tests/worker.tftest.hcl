# The function, the alias that everything uses, and the mapping.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                     = "n"
  region                   = "us-east-1"
  account_id               = "123456789012"
  permissions_boundary_arn = null
  compute                  = "managed_instances"
  capacity_provider_arn    = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:n"
  vpc_config               = null
  architecture             = "arm64"
  package_file             = "versions.tf" # any file will do where nothing is uploaded
  memory_mib               = 4096
  memory_gib_per_vcpu      = 2
  max_concurrency          = 16
  execution_environments   = { min = 3, max = 15000 }
  release                  = ""
  timeout_seconds          = 60
  tracing                  = true
  settings                 = { NEARLINE_LOG = "info" }
  statements               = ["{\"Sid\":\"A\",\"Effect\":\"Allow\",\"Action\":[\"sqs:DeleteMessage\"],\"Resource\":[\"arn:q\"]}"]
  log_group_name           = "/aws/lambda/n"
  encrypted                = false
  kms_key_arn              = null
  runtime_version_arn      = null
  live_version             = null
  newest_version_weight    = 0
  queue_arn                = "arn:aws:sqs:us-east-1:123456789012:n-jobs"
  mapping_enabled          = true
  batch_size               = 10
  batch_window_seconds     = 0
  maximum_concurrency      = null
  provisioned_pollers      = null
}

run "on_managed_instances" {
  module {
    source = "./modules/worker"
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "n" && aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.publish && aws_lambda_function.this.memory_size == 4096 && aws_lambda_function.this.timeout == 60
    error_message = "The function must be a published one on Amazon Linux 2023."
  }
  assert {
    condition = one(one(aws_lambda_function.this.capacity_provider_config).lambda_managed_instances_capacity_provider_config) == {
      capacity_provider_arn                     = var.capacity_provider_arn
      execution_environment_memory_gib_per_vcpu = 2
      per_execution_environment_max_concurrency = 16
    }
    error_message = "The function must run on the provider, with its ratio and concurrency."
  }
  assert {
    condition     = one(aws_lambda_function.this.logging_config).log_format == "JSON" && one(aws_lambda_function.this.logging_config).log_group == "/aws/lambda/n" && one(aws_lambda_function.this.tracing_config).mode == "Active" && length(aws_lambda_function.this.vpc_config) == 0
    error_message = "Logs must be JSON in the group that is watched; the VPC is the provider's."
  }
  assert {
    condition     = aws_lambda_alias.live.name == "live" && aws_lambda_alias.live.function_version == aws_lambda_function.this.version && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "live must be the newest version."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.jobs.function_name == aws_lambda_alias.live.arn && aws_lambda_event_source_mapping.jobs.event_source_arn == var.queue_arn
    error_message = "The mapping must invoke the alias, so that one pointer rolls back."
  }
  assert {
    condition     = toset(aws_lambda_event_source_mapping.jobs.function_response_types) == toset(["ReportBatchItemFailures"]) && toset(one(aws_lambda_event_source_mapping.jobs.metrics_config).metrics) == toset(["EventCount"]) && aws_lambda_event_source_mapping.jobs.enabled
    error_message = "Failed messages must be reported one by one, and counted."
  }
  assert {
    condition     = length(aws_lambda_runtime_management_config.pinned) == 0
    error_message = "Lambda must be left to patch the runtime."
  }
  assert {
    condition     = length(aws_lambda_event_source_mapping.jobs.scaling_config) == 0 && length(aws_lambda_event_source_mapping.jobs.provisioned_poller_config) == 0
    error_message = "What is not asked for is left to Lambda."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement == [jsondecode(var.statements[0])]
    error_message = "The role must have the given statements and no others."
  }
  assert {
    condition     = jsondecode(aws_iam_role.execution.assume_role_policy).Statement[0].Principal.Service == "lambda.amazonaws.com" && jsondecode(aws_iam_role.execution.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only Lambda may take the role, and only for this account."
  }
  assert {
    condition     = aws_iam_role.execution.name == "n-execution-us-east-1"
    error_message = "The same deployment in another region must have its own role."
  }
}

run "environments_start_before_the_alias_moves" {
  module {
    source = "./modules/worker"
  }
  variables {
    release = "4f2c1a9"
  }

  assert {
    condition     = aws_lambda_function_scaling_config.live[0].qualifier == aws_lambda_alias.live.function_version && one(aws_lambda_function_scaling_config.live[0].function_scaling_config) == { min_execution_environments = 3, max_execution_environments = 15000 }
    error_message = "The version that serves must have its numbers of environments."
  }
  assert {
    condition     = aws_lambda_function.this.description == "nearline: search jobs from SQS, ranked results in DynamoDB; 4f2c1a9" && one(aws_lambda_function.this.logging_config).application_log_level == "TRACE"
    error_message = "A release must be another version, and Lambda must not filter what the worker logs."
  }
}

run "the_newest_needs_no_weight" {
  module {
    source = "./modules/worker"
  }
  variables {
    live_version          = "42"
    newest_version_weight = 0.1
  }

  assert {
    condition     = length(aws_lambda_alias.live.routing_config) == 0 && aws_lambda_alias.live.function_version == "42"
    error_message = "A version cannot share the traffic with itself."
  }
}

run "scaled_rolled_back_and_tried_on_a_tenth" {
  module {
    source = "./modules/worker"
  }
  variables {
    execution_environments = { min = 6, max = 24 }
    live_version           = "41"
    newest_version_weight  = 0.1
    maximum_concurrency    = 48
    runtime_version_arn    = "arn:aws:lambda:us-east-1::runtime:0123"
  }

  assert {
    condition     = aws_lambda_runtime_management_config.pinned["live"].qualifier == "41" && aws_lambda_runtime_management_config.pinned["latest"].qualifier == null && alltrue([for pin in aws_lambda_runtime_management_config.pinned : pin.update_runtime_on == "Manual" && pin.runtime_version_arn == var.runtime_version_arn])
    error_message = "The version that serves and those to come must stay on the runtime version."
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "41" && one(aws_lambda_alias.live.routing_config).additional_version_weights == tomap({ "42" = 0.1 })
    error_message = "live must be the pinned version, with a tenth for the newest."
  }
  assert {
    condition     = aws_lambda_function_scaling_config.live[0].qualifier == "41" && one(aws_lambda_function_scaling_config.live[0].function_scaling_config) == { min_execution_environments = 6, max_execution_environments = 24 }
    error_message = "The version that serves must have the numbers of environments."
  }
  assert {
    condition     = one(aws_lambda_event_source_mapping.jobs.scaling_config).maximum_concurrency == 48 && length(aws_lambda_event_source_mapping.jobs.provisioned_poller_config) == 0
    error_message = "The mapping must be bounded."
  }
}

run "provisioned_pollers_and_wide_batches" {
  module {
    source = "./modules/worker"
  }
  variables {
    provisioned_pollers  = { min = 2, max = 20 }
    batch_size           = 200
    batch_window_seconds = 1
    mapping_enabled      = false
    tracing              = false
  }

  assert {
    condition     = one(aws_lambda_event_source_mapping.jobs.provisioned_poller_config).minimum_pollers == 2 && one(aws_lambda_event_source_mapping.jobs.provisioned_poller_config).maximum_pollers == 20 && length(aws_lambda_event_source_mapping.jobs.scaling_config) == 0
    error_message = "The mapping must have its own pollers, and no bound beside."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.jobs.batch_size == 200 && aws_lambda_event_source_mapping.jobs.maximum_batching_window_in_seconds == 1 && !aws_lambda_event_source_mapping.jobs.enabled && one(aws_lambda_function.this.tracing_config).mode == "PassThrough"
    error_message = "Batches, switch and tracing must be as asked for."
  }
}

run "on_standard_lambda_in_a_vpc_with_a_key" {
  module {
    source = "./modules/worker"
  }
  variables {
    compute               = "standard"
    capacity_provider_arn = null
    vpc_config            = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    encrypted             = true
    kms_key_arn           = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "n-standard" && length(aws_lambda_function.this.capacity_provider_config) == 0 && length(aws_lambda_function_scaling_config.live) == 0 && toset(one(aws_lambda_function.this.vpc_config).subnet_ids) == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.kms_key_arn == var.kms_key_arn
    error_message = "A standard function must have its VPC itself, and the key for its settings."
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Sid] == ["A", "UseTheKey", "AttachToTheVpc"] && jsondecode(aws_iam_role_policy.execution.policy).Statement[1].Resource == [var.kms_key_arn]
    error_message = "The role must be allowed the key, and network interfaces."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.jobs.function_name == aws_lambda_alias.live.arn
    error_message = "The mapping must invoke the alias here too."
  }
}

run "on_standard_lambda_without_a_vpc" {
  module {
    source = "./modules/worker"
  }
  variables {
    compute               = "standard"
    capacity_provider_arn = null
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && length(jsondecode(aws_iam_role_policy.execution.policy).Statement) == 1
    error_message = "Without a VPC nothing about network interfaces may be allowed."
  }
}
