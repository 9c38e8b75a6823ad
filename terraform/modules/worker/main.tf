# The function, its published versions, the alias `live` that everything uses, and the event source mapping.
#
# Each apply that changes code, settings or `release` publishes a version; Lambda starts its environments, which load the
# catalog, and only then does the alias move. A version whose environments cannot start fails the apply.

locals {
  managed = var.compute == "managed_instances"
  newest  = aws_lambda_function.this.version
  live    = coalesce(var.live_version, local.newest)
}

resource "aws_iam_role" "execution" {
  # Roles are known in all regions.
  name                 = "${var.name}-execution-${var.region}"
  description          = "What the worker of ${var.name} may do"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "execution" {
  name = "worker"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in var.statements : jsondecode(statement)],
      [for key_arn in var.encrypted ? [var.kms_key_arn] : [] : {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [key_arn]
      }],
      # On Managed Instances the network interfaces are the operator's affair.
      [for vpc_config in !local.managed ? var.vpc_config[*] : [] : {
        Sid    = "AttachToTheVpc"
        Effect = "Allow"
        Action = [
          "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
        ]
        Resource = ["*"]
      }],
    )
  })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:There is no reserved concurrency on Managed Instances; execution environments, pollers and the mapping's maximum bound it instead.
  #checkov:skip=CKV_AWS_116:A function's own dead-letter queue is for asynchronous invocations. Jobs come from SQS, and the worker moves what it cannot answer, with the reason.
  #checkov:skip=CKV_AWS_272:Who may change the function may change a signing configuration as well; add one where releases are signed by others.
  # A function cannot move between instances and standard Lambda: another one is made, and the mapping moves to it.
  function_name    = local.managed ? var.name : "${var.name}-standard"
  description      = trimsuffix("nearline: search jobs from SQS, ranked results in DynamoDB; ${var.release}", "; ")
  role             = aws_iam_role.execution.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = var.package_file
  source_code_hash = filebase64sha256(var.package_file)
  memory_size      = var.memory_mib
  timeout          = var.timeout_seconds
  publish          = true

  kms_key_arn = var.encrypted ? var.kms_key_arn : null

  environment {
    variables = var.settings
  }

  logging_config {
    log_format = "JSON"
    log_group  = var.log_group_name
    # The worker filters itself (NEARLINE_LOG). By default Lambda would drop what is below INFO.
    application_log_level = "TRACE"
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  dynamic "capacity_provider_config" {
    for_each = local.managed ? [var.capacity_provider_arn] : []
    content {
      lambda_managed_instances_capacity_provider_config {
        capacity_provider_arn                     = capacity_provider_config.value
        execution_environment_memory_gib_per_vcpu = var.memory_gib_per_vcpu
        per_execution_environment_max_concurrency = var.max_concurrency
      }
    }
  }

  dynamic "vpc_config" {
    for_each = local.managed ? [] : var.vpc_config[*]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  # Publishing starts instances and environments, and these load the catalog.
  timeouts {
    create = "30m"
    update = "30m"
    delete = "30m"
  }

  depends_on = [aws_iam_role_policy.execution]
}

# What serves has these numbers of environments before `live` moves to it. AWS takes them only once a version's own
# environments have started, so that this also keeps `live` where it is while a version cannot start. Taking them back,
# as happens with the version that served before, means AWS's default of three.
resource "aws_lambda_function_scaling_config" "live" {
  count         = local.managed ? 1 : 0
  function_name = aws_lambda_function.this.function_name
  qualifier     = local.live
  function_scaling_config {
    min_execution_environments = var.execution_environments.min
    max_execution_environments = var.execution_environments.max
  }
  timeouts {
    create = "30m"
    update = "30m"
  }
  lifecycle {
    create_before_destroy = true
  }
}

# A version has its own pin: the one that serves, before `live` moves to it, and the unpublished one, for those to come.
# Taking a pin back lets Lambda patch again.
resource "aws_lambda_runtime_management_config" "pinned" {
  for_each            = var.runtime_version_arn == null ? {} : { latest = null, live = local.live }
  function_name       = aws_lambda_function.this.function_name
  qualifier           = each.value
  update_runtime_on   = "Manual"
  runtime_version_arn = var.runtime_version_arn
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What serves: the mapping and every caller use this name"
  function_name    = aws_lambda_function.this.function_name
  function_version = local.live

  dynamic "routing_config" {
    # As long as there is a newer version than the one that serves.
    for_each = var.newest_version_weight > 0 && local.newest != local.live ? [var.newest_version_weight] : []
    content {
      additional_version_weights = { (local.newest) = routing_config.value }
    }
  }

  depends_on = [aws_lambda_function_scaling_config.live, aws_lambda_runtime_management_config.pinned]
}

resource "aws_lambda_event_source_mapping" "jobs" {
  event_source_arn                   = var.queue_arn
  function_name                      = aws_lambda_alias.live.arn
  enabled                            = var.mapping_enabled
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batch_window_seconds
  # Without it Lambda deletes the messages that failed.
  function_response_types = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.maximum_concurrency[*]
    content {
      maximum_concurrency = scaling_config.value
    }
  }

  dynamic "provisioned_poller_config" {
    for_each = var.provisioned_pollers[*]
    content {
      minimum_pollers = provisioned_poller_config.value.min
      maximum_pollers = provisioned_poller_config.value.max
    }
  }

  metrics_config {
    metrics = ["EventCount"]
  }

  depends_on = [aws_iam_role_policy.execution]
}
