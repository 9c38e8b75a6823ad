# One alarm for each thing that a person has to know of. The description says why it matters and what to do; the
# playbook is docs/operations.md.

locals {
  actions = concat(aws_sns_topic.alarms[*].arn, var.alarm_topic_arns)
  managed = var.capacity_provider_name != null

  # Utilisation comes by version and instance type, which change: a query finds them whatever they are.
  instances = !local.managed ? {} : {
    capacity-cpu = {
      query       = "SELECT AVG(CPUUtilization) FROM \"AWS/Lambda\" WHERE CapacityProviderName = '${var.capacity_provider_name}'"
      threshold   = var.capacity_cpu_percent
      periods     = 2
      description = "The instances' CPU has been above ${var.capacity_cpu_percent} % for ten minutes: capacity is not keeping up, and traffic that doubles would be throttled. Raise max_vcpu_count if it is reached; with Manual scaling lower target_cpu_percent."
    }
    concurrency-at-limit = {
      query       = "SELECT MAX(ExecutionEnvironmentConcurrency) FROM \"AWS/Lambda\" WHERE CapacityProviderName = '${var.capacity_provider_name}' AND FunctionName = '${var.function_name}'"
      threshold   = var.max_concurrency - 1
      periods     = 3
      description = "An execution environment has been at its limit of concurrent invocations for a quarter of an hour: batches wait for room. If its CPU is idle, raise max_concurrency; otherwise let more environments run."
    }
    memory = {
      query       = "SELECT MAX(ExecutionEnvironmentMemoryUtilization) FROM \"AWS/Lambda\" WHERE CapacityProviderName = '${var.capacity_provider_name}' AND FunctionName = '${var.function_name}'"
      threshold   = 80
      periods     = 2
      description = "More than 80 % of an execution environment's memory is used: the next catalog, which loads beside the one in service, may not fit, and the process would be killed. Raise memory_mib."
    }
  }

  # A throttled invocation now and then is how Managed Instances scale; a share of them over a quarter of an hour is not.
  throttle_reasons = !local.managed ? {
    Throttles = "the account's limit of concurrent executions. Ask for a higher quota, or bound the mapping by mapping_maximum_concurrency"
    } : {
    ConcurrencyThrottles = "the environments' limit of concurrent invocations. If their CPU is idle raise max_concurrency, otherwise the fewest execution environments"
    CPUThrottles         = "the environments' CPU. Raise memory_mib, which brings vCPUs, or lower max_concurrency"
    MemoryThrottles      = "the environments' memory. Raise memory_mib or lower max_concurrency"
    DiskThrottles        = "the environments' disk. The worker writes next to nothing there: look at what else runs on this capacity provider"
  }

  metrics_alarms = {
    dead-letters = {
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letter_queue_name }
      statistic   = "Maximum", period = 60, periods = 1, threshold = 0
      description = "There are messages that no record can answer. Each has its reason in the attribute nearline_error_code; the playbook says what to do for each code."
    }
    oldest-message = {
      namespace   = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue_name }
      statistic   = "Maximum", period = 60, periods = 5, threshold = var.oldest_message_seconds
      description = "For five minutes the oldest job has been waiting longer than the objective of ${var.oldest_message_seconds} s. Either nobody takes jobs (is the mapping on, does the function start?), or more come than are answered, or single ones are retried: then Retried or Blocked is not zero."
    }
    function-errors = {
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.function_name }
      statistic   = "Sum", period = 60, periods = 3, threshold = 0
      description = "Invocations ended in an error or a timeout, which the worker avoids even when every message fails: the process crashed, or a batch does not fit timeout_seconds. Batches come again when their visibility ends."
    }
    records-throttled = {
      namespace   = "AWS/DynamoDB", metric = "WriteThrottleEvents", dimensions = { TableName = var.table_name }
      statistic   = "Sum", period = 60, periods = 5, threshold = 0
      description = "DynamoDB has been throttling records for five minutes: a new on-demand table takes 4,000 writes a second and doubles within half an hour. The jobs are retried. Before a launch set warm_throughput."
    }
    embedding-throttled = {
      namespace   = "AWS/Bedrock", metric = "InvocationThrottles", dimensions = { ModelId = var.embedding_model }
      statistic   = "Sum", period = 60, periods = 5, threshold = 0
      description = "Bedrock has been refusing embeddings for five minutes: the quota of this model in this account and region is used up, by whomever. Set embedding_fleet_requests_per_minute, or ask for a higher quota. The jobs are retried for hours."
    }
    catalog-refresh = {
      namespace   = local.namespace, metric = "CatalogRefreshFailures", dimensions = {}
      statistic   = "Sum", period = 300, periods = 1, threshold = 0
      description = "A newer catalog could not be taken up, or the pointer to it not be read. The old one serves on. The log says why; publish a good one, or roll back to the last."
    }
    blocked = {
      namespace   = local.namespace, metric = "Blocked", dimensions = {}
      statistic   = "Sum", period = 300, periods = 1, threshold = 0
      description = "Jobs wait for a person: access denied, or a table, queue or model that is not there. The log has one line with the cause. They are answered within 15 minutes once it is mended."
    }
    error-lines = {
      namespace   = local.namespace, metric = "ErrorLines", dimensions = {}
      statistic   = "Sum", period = 300, periods = 3, threshold = 0
      description = "Lines of level ERROR have been logged for a quarter of an hour. Each says what happened and what to do."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each            = local.metrics_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
}

resource "aws_cloudwatch_metric_alarm" "instances" {
  for_each            = local.instances
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  metric_query {
    id          = "worst"
    expression  = each.value.query
    period      = 300
    return_data = true
  }
}

locals {
  # Sums of five minutes, as percentages. A metric of which there is nothing has no data, and a sum with it none either.
  shares = merge(
    { for name, reason in local.throttle_reasons : trimsuffix("throttled-${lower(trimsuffix(name, "Throttles"))}", "-") => {
      part        = { metric = name, dimensions = { FunctionName = var.function_name } }
      rest        = { metric = "Invocations", dimensions = { FunctionName = var.function_name } }
      expression  = "IF(FILL(part, 0) + FILL(rest, 0) > 0, 100 * FILL(part, 0) / (FILL(part, 0) + FILL(rest, 0)), 0)" # throttled ones are no invocations
      description = "For a quarter of an hour more than 5 % of invocations have been throttled by ${reason}. Nothing is lost: the batches stay in the queue and come again, but each time counts as an attempt of their jobs."
    } },
    {
      # A message that fails is counted, too, and one now and then is no reason to wake anybody.
      mapping-failures = {
        part        = { metric = "FailedInvokeEventCount", dimensions = { EventSourceMappingUUID = var.mapping_uuid } }
        rest        = { metric = "InvokedEventCount", dimensions = { EventSourceMappingUUID = var.mapping_uuid } }
        expression  = "IF(FILL(part, 0) > 0, 100 * FILL(part, 0) / (IF(FILL(rest, 0) > 0, FILL(rest, 0), FILL(part, 0))), 0)"
        description = "For a quarter of an hour more than 5 % of what the event source mapping handed over came back as failed. If Retried or Blocked is high, the log has the cause; if both are zero, the function itself fails."
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "share" {
  for_each            = local.shares
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions
  metric_query {
    id          = "share"
    label       = "percent"
    expression  = each.value.expression
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { part = each.value.part, rest = each.value.rest }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/Lambda"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}
