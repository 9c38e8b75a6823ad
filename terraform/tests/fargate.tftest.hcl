# The worker on ECS.

mock_provider "aws" {
  source = "./tests/aws"
}

override_resource {
  target = module.queue.aws_sqs_queue.jobs
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:nearline-jobs", url = "https://sqs/nearline-jobs" }
}

variables {
  image              = "123456789012.dkr.ecr.us-east-1.amazonaws.com/nearline@sha256:0123"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
}

run "a_service_that_follows_the_backlog" {
  module {
    source = "./fargate"
  }

  assert {
    condition     = output.service == "nearline/nearline" && strcontains(output.settings, "NEARLINE_QUEUE_URL=https://sqs/nearline-jobs")
    error_message = "The command line must be told the same as the worker."
  }
}

run "the_module" {
  module {
    source = "./modules/fargate"
  }
  variables {
    name       = "n"
    partition  = "aws"
    region     = "us-east-1"
    account_id = "123456789012"
    settings   = { NEARLINE_LOG = "info" }
    statements = ["{\"Sid\":\"A\",\"Effect\":\"Allow\",\"Action\":[\"sqs:DeleteMessage\"],\"Resource\":[\"arn:q\"]}"]
    queue_name = "n-jobs"
  }

  assert {
    condition = [for container in jsondecode(aws_ecs_task_definition.worker.container_definitions) : [container.command, container.user, container.readonlyRootFilesystem, container.linuxParameters.capabilities.drop, container.healthCheck.command]] == [[
      ["worker", "--concurrency", "16", "--batch-timeout", "60", "--listen", "127.0.0.1:9464"], "65532:65532", true, ["ALL"], ["CMD", "/nearline", "probe", "127.0.0.1:9464"],
    ]]
    error_message = "The worker must run as nobody, write nothing, and be asked whether it lives."
  }
  assert {
    # 10 s for a long poll, or the batch and 30 s to settle it, and 15 s for the last calls, lines and spans.
    condition     = [for container in jsondecode(aws_ecs_task_definition.worker.container_definitions) : container.stopTimeout >= max(10, var.batch_timeout_seconds + 30) + 15] == [true] && [for container in jsondecode(aws_ecs_task_definition.worker.container_definitions) : container.stopTimeout <= 120] == [true]
    error_message = "A task must be given the time that a drain takes, and no more than Fargate gives."
  }
  assert {
    condition = { for query in one(one(aws_appautoscaling_policy.backlog.target_tracking_scaling_policy_configuration).customized_metric_specification).metrics : query.id => try("${one(one(query.metric_stat).metric).namespace} ${one(one(query.metric_stat).metric).metric_name}", query.expression) } == {
      backlog = "IF(FILL(tasks, 0) > 0, waiting / tasks, waiting)"
      waiting = "AWS/SQS ApproximateNumberOfMessagesVisible"
      tasks   = "ECS/ContainerInsights RunningTaskCount"
    } && [for setting in aws_ecs_cluster.this.setting : setting.value] == ["enabled"]
    error_message = "Tasks must follow the jobs that wait for each of them."
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.task.policy).Statement : statement.Sid] == ["A"] && { for statement in jsondecode(aws_iam_role_policy.start.policy).Statement : statement.Sid => join(" ", statement.Resource) } == { Log = "${aws_cloudwatch_log_group.worker.arn}:*", PullTheImage = "arn:aws:ecr:us-east-1:123456789012:repository/nearline", LogInToEcr = "*" }
    error_message = "The worker must have the given statements, and ECS pull this image and write this log."
  }
  assert {
    condition     = aws_ecs_task_definition.worker.cpu == "2048" && aws_ecs_task_definition.worker.memory == "4096" && one(aws_ecs_task_definition.worker.runtime_platform).cpu_architecture == "ARM64" && one(aws_ecs_service.worker.deployment_circuit_breaker).rollback && !one(aws_ecs_service.worker.network_configuration).assign_public_ip
    error_message = "The task must be of the image's architecture, and a bad one be taken back."
  }
}

run "a_batch_that_no_stop_can_wait_for" {
  command = plan
  module {
    source = "./modules/fargate"
  }
  variables {
    name                  = "n"
    partition             = "aws"
    region                = "us-east-1"
    account_id            = "123456789012"
    settings              = {}
    statements            = []
    queue_name            = "n-jobs"
    batch_timeout_seconds = 90
    memory_mib            = 3000
    tasks                 = { min = 0, max = 1 }
    backlog_per_task      = 0
    architecture          = "arm"
  }
  expect_failures = [var.batch_timeout_seconds, var.memory_mib, var.tasks, var.backlog_per_task, var.architecture]
}
