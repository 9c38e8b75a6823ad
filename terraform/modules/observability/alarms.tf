# One alarm for each thing that a person has to know of. The description says why it matters and what to do, and names a
# heading of docs/operations.md. Few alarms wake somebody: those that say jobs are not answered and will not be without
# help. The others say why, or what will go wrong later, and wait for the morning.

locals {
  # Each has a cause that no other one of them rings for: jobs that wait, come back, need an operator, crash, or end
  # without a record.
  pages = toset(["oldest-message", "mostly-retried", "blocked", "many-function-errors", "many-dead-letters"])

  pages_to   = concat(aws_sns_topic.alarms[*].arn, var.alarm_topic_arns)
  tickets_to = length(var.ticket_topic_arns) == 0 ? local.pages_to : concat(aws_sns_topic.alarms[*].arn, var.ticket_topic_arns)

  # The heading of docs/operations.md that says what to do.
  headings = merge({ for name in keys(local.throttled) : name => "The function is full" }, {
    oldest-message       = "Jobs wait too long"
    mostly-retried       = "Jobs come back"
    mapping-failures     = "Jobs come back"
    blocked              = "Jobs are blocked"
    function-errors      = "Invocations fail"
    many-function-errors = "Invocations fail"
    dead-letters         = "Dead letters"
    many-dead-letters    = "Dead letters"
    embedding-throttled  = "A service throttles"
    records-throttled    = "A service throttles"
    embedding-errors     = "A service fails"
    records-errors       = "A service fails"
    embedding-slow       = "Bedrock is slow"
    scan-slow            = "The scan is slow"
    quiet-tenants-wait   = "Quiet tenants wait"
    text-refused         = "Texts are refused"
    catalog-refresh      = "A bad catalog"
    error-lines          = "ERROR lines in the log"
    capacity-cpu         = "The function is full"
    concurrency-at-limit = "The function is full"
    memory               = "The function is full"
    undelivered          = "A schedule or a notice failed"
  })
  described = {
    for name, text in merge(
      { for name, alarm in local.metrics_alarms : name => alarm.description },
      { for name, alarm in local.instances : name => alarm.description },
      { for name, alarm in local.math : name => alarm.description },
    ) : name => "${text} See \"${local.headings[name]}\" in docs/operations.md."
  }

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

  throttled = { for metric, reason in local.throttle_reasons : trimsuffix("throttled-${lower(trimsuffix(metric, "Throttles"))}", "-") => { metric = metric, reason = reason } }

  # A blocked job comes back within 15 minutes. Until then its line is the last that was heard of it, and not the end.
  blocked_periods = 4
  # A batch that crashes a process comes back when its visibility ends: a crash, and the same one again. A day at most.
  crash_periods = min(288, ceil(2 * var.visibility_timeout_seconds / 300) + 1)
  # While a catalog is refused, each look says so again.
  refresh_period = min(86400, max(300, 120 * ceil(var.catalog_refresh_seconds / 60)))

  metrics_alarms = merge(local.always, var.undelivered_queue_name == null ? {} : {
    undelivered = {
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.undelivered_queue_name }
      statistic   = "Maximum", period = 60, periods = 1, datapoints = 1, threshold = 0
      description = "A call of the schedule failed for a quarter of an hour, so that the number of environments is not what it should be at this time, or jobs are not taken; or notices of records could not be delivered for an hour. The messages are kept for 14 days and name what failed. Records themselves are not affected."
    }
  })

  always = {
    dead-letters = {
      namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letter_queue_name }
      statistic   = "Maximum", period = 60, periods = 1, datapoints = 1, threshold = 0
      description = "There are messages that no record can answer. They are kept for 14 days, each with its reason in the attribute nearline_error_code. The alarm stays until the queue is empty: many-dead-letters reports new ones."
    }
    oldest-message = {
      namespace   = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.queue_name }
      statistic   = "Maximum", period = 60, periods = 5, datapoints = 5, threshold = var.oldest_message_seconds
      description = "For five minutes the oldest job has been waiting longer than the objective of ${var.oldest_message_seconds} s. Either nobody takes jobs (is the mapping on, does the function start?), or more come than are answered. SQS does not count a job that was received three times or more: mostly-retried covers those."
    }
    function-errors = {
      namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.function_name }
      statistic   = "Sum", period = 300, periods = local.crash_periods, datapoints = 2, threshold = 0
      description = "Invocations ended in an error or a timeout, and again within two visibility timeouts. The worker avoids that even when every message fails: the process crashed, all its batches with it, or a batch does not fit timeout_seconds. many-function-errors fires when there are many. A direct invocation without an answer counts too."
    }
    catalog-refresh = {
      namespace   = local.namespace, metric = "CatalogRefreshFailures", dimensions = {}
      statistic   = "Sum", period = local.refresh_period, periods = 1, datapoints = 1, threshold = 0
      description = "A newer catalog could not be taken up, or its pointer could not be read. The old one keeps serving: answers are right, but from yesterday's products. A process that starts now would not serve. The log says why, at each look while it lasts; publish a good catalog, or roll back to the last."
    }
    embedding-slow = {
      namespace   = local.namespace, metric = "EmbedDuration", dimensions = {}
      statistic   = "p90", period = 60, periods = 10, datapoints = 10, threshold = var.embedding_slow_ms
      description = "For ten minutes a tenth of the batches has waited more than ${var.embedding_slow_ms} ms for Bedrock's answer, repetitions included. Waiting for embedding_fleet_requests_per_minute, embedding_requests_per_minute or embedding_max_concurrency is not part of it, nor is the scan. If Bedrock's own latency beside it on the dashboard has risen too, it is Bedrock; if not, calls are repeated (Throttled, Errors) or the way there is slow."
    }
    blocked = {
      namespace   = local.namespace, metric = "Blocked", dimensions = {}
      statistic   = "Sum", period = 300, periods = local.blocked_periods, datapoints = 1, threshold = 0
      description = "Jobs wait for an operator: access denied, or a table, queue or model that is not there. The log has one line with the cause. Once it is fixed they are answered within 15 minutes."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each            = local.metrics_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = local.described[each.key]
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = contains(local.pages, each.key) ? local.pages_to : local.tickets_to
  ok_actions          = contains(local.pages, each.key) ? local.pages_to : local.tickets_to
  tags                = { severity = contains(local.pages, each.key) ? "page" : "ticket" }
}

resource "aws_cloudwatch_metric_alarm" "instances" {
  for_each            = local.instances
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = local.described[each.key]
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.tickets_to
  ok_actions          = local.tickets_to
  tags                = { severity = "ticket" }
  metric_query {
    id          = "worst"
    expression  = each.value.query
    period      = 300
    return_data = true
  }
}

locals {
  of_function = { FunctionName = var.function_name }
  of_mapping  = { EventSourceMappingUUID = var.mapping_uuid }
  of_model    = { ModelId = var.embedding_model }
  of_table    = { TableName = var.table_name }
  of_queue    = { QueueName = var.queue_name }

  # SUM and MAX of a list pass over a metric that has no data, such as invocations where all of them are throttled.
  of_both  = "100 * part / SUM([part, rest])" # throttled ones, and failed ones at Bedrock, are no invocations
  of_whole = "100 * part / MAX([part, whole])"
  # A single job that nobody else keeps company is all there is, and no reason to wake anybody.
  of_many = "IF(part > %d, 100 * part / MAX([part, whole]), 0)"

  # A metric is [namespace, name, dimensions, statistic].
  math = merge(
    { for name, by in local.throttled : name => {
      metrics     = { part = ["AWS/Lambda", by.metric, local.of_function, "Sum"], rest = ["AWS/Lambda", "Invocations", local.of_function, "Sum"] }
      expression  = local.of_both, period = 300, periods = 3, threshold = 5
      description = "For a quarter of an hour more than 5 % of invocations have been throttled by ${by.reason}. Nothing is lost: the batches stay in the queue and come again, but each time counts as an attempt of their jobs."
    } },
    {
      # A message that fails is counted, too, and one now and then is no reason to write to anybody.
      mapping-failures = {
        metrics     = { part = ["AWS/Lambda", "FailedInvokeEventCount", local.of_mapping, "Sum"], whole = ["AWS/Lambda", "InvokedEventCount", local.of_mapping, "Sum"] }
        expression  = local.of_whole, period = 300, periods = 3, threshold = 5
        description = "For a quarter of an hour more than 5 % of what the event source mapping handed over came back as failed. If Retried or Blocked is high, the log has the cause; if both are zero, the function itself fails."
      }
      mostly-retried = {
        metrics     = { part = [local.namespace, "Retried", {}, "Sum"], whole = [local.namespace, "Messages", {}, "Sum"] }
        expression  = format(local.of_many, 10), period = 300, periods = 3, threshold = 50
        description = "For a quarter of an hour more than half of the messages that workers received, and more than 10 in 5 minutes, were put back for another attempt: a service throttles or fails. oldest-message may stay silent meanwhile, since SQS does not count what was received three times. Jobs are given up after max_attempts, 1.4 to 2.8 hours with 20."
      }
      many-function-errors = {
        metrics     = { part = ["AWS/Lambda", "Errors", local.of_function, "Sum"], whole = ["AWS/Lambda", "Invocations", local.of_function, "Sum"] }
        expression  = format(local.of_many, 2), period = 300, periods = 3, threshold = 5
        description = "For a quarter of an hour more than 5 % of invocations ended in an error or a timeout: processes crash, or batches do not fit timeout_seconds. Their jobs come again when their visibility ends, and crash again. After a deployment roll back: live_version."
      }
      many-dead-letters = {
        metrics     = { part = [local.namespace, "DeadLettered", {}, "Sum"], whole = [local.namespace, "Messages", {}, "Sum"] }
        expression  = format(local.of_many, 10), period = 300, periods = 3, threshold = 5
        description = "For a quarter of an hour more than 5 % of messages, and more than 10 in 5 minutes, went to the dead-letter queue: jobs end without a record. Either a producer sends messages that are not jobs, or a fault outlasted all attempts. Nothing is lost for 14 days."
      }
      text-refused = {
        metrics     = { part = [local.namespace, "TextsRefused", {}, "Sum"], whole = [local.namespace, "Messages", {}, "Sum"] }
        expression  = local.of_whole, period = 300, periods = 3, threshold = var.text_refused_percent
        description = "For a quarter of an hour the embedding model refused the text of more than ${var.text_refused_percent} % of messages, though it answers others. Their records are REJECTED with text_refused, and the same job is not tried again. One text now and then is its author's fault; a steady share points to a producer, or to changed rules of the model."
      }
      embedding-throttled = {
        metrics     = { part = ["AWS/Bedrock", "InvocationThrottles", local.of_model, "Sum"], rest = ["AWS/Bedrock", "Invocations", local.of_model, "Sum"] }
        expression  = local.of_both, period = 300, periods = 3, threshold = 5
        description = "For a quarter of an hour Bedrock has refused more than 5 % of calls for their rate: the quota of this model in this account and region is used up, by whatever uses it. The panel \"Throttled\" shows how many jobs it held up. Set embedding_fleet_requests_per_minute, or ask for a higher quota. The jobs are retried for hours."
      }
      embedding-errors = {
        metrics     = { part = ["AWS/Bedrock", "InvocationServerErrors", local.of_model, "Sum"], rest = ["AWS/Bedrock", "Invocations", local.of_model, "Sum"] }
        expression  = local.of_both, period = 300, periods = 3, threshold = 5
        description = "For a quarter of an hour more than 5 % of calls of the embedding model have failed on Bedrock's side, in the whole account; throttled ones are not among them. The jobs are retried for hours. Look at AWS Health; another region or model needs another catalog."
      }
      records-throttled = {
        metrics     = { writes = ["AWS/DynamoDB", "WriteThrottleEvents", local.of_table, "Sum"], reads = ["AWS/DynamoDB", "ReadThrottleEvents", local.of_table, "Sum"] }
        expression  = "SUM([writes, reads])", period = 60, periods = 5, threshold = 0
        description = "DynamoDB has been throttling records or look-ups for five minutes: a new on-demand table takes 4,000 writes and 12,000 reads a second and doubles within half an hour. The jobs are retried. Before a launch set warm_throughput."
      }
      records-errors = {
        metrics     = { writes = ["AWS/DynamoDB", "SystemErrors", merge(local.of_table, { Operation = "PutItem" }), "Sum"], reads = ["AWS/DynamoDB", "SystemErrors", merge(local.of_table, { Operation = "BatchGetItem" }), "Sum"] }
        expression  = "SUM([writes, reads])", period = 60, periods = 5, threshold = 0
        description = "DynamoDB has been failing on its own side for five minutes, when records are written or looked up; throttled calls are not among them. The jobs are retried for hours. Look at AWS Health."
      }
      scan-slow = {
        metrics     = { waiting = [local.namespace, "ScanWaitDuration", {}, "p90"], scan = [local.namespace, "ScanDuration", {}, "p90"] }
        expression  = "waiting + scan", period = 60, periods = 10, threshold = var.scan_slow_ms
        description = "For ten minutes waiting for a scan and the scan itself took more than ${var.scan_slow_ms} ms (the sum of both p90). Mostly waiting: the CPU is full, let more environments run or lower max_concurrency. Mostly scanning: the catalog has grown, or jobs ask for more. Bedrock has no part in it."
      }
      # Of the same log group: where there are lines, each of these has a number.
      error-lines = {
        metrics     = { lines = [local.namespace, "ErrorLines", {}, "Sum"], blocked = [local.namespace, "Blocked", {}, "Sum"], refused = [local.namespace, "CatalogRefreshFailures", {}, "Sum"] }
        expression  = "IF(blocked > 0, 0, lines - refused)", period = 300, periods = 3, threshold = 0
        description = "Lines of level ERROR have been logged for a quarter of an hour, other than those of blocked and catalog-refresh. Each says what happened and what to do."
      }
    },
    # A FIFO queue has message groups, but no fair ones, and none of these metrics.
    var.fifo_queue ? {} : {
      quiet-tenants-wait = {
        metrics     = { noisy = ["AWS/SQS", "ApproximateNumberOfNoisyGroups", local.of_queue, "Maximum"], quiet = ["AWS/SQS", "ApproximateAgeOfOldestMessageInQuietGroups", local.of_queue, "Maximum"] }
        expression  = "IF(noisy > 0, quiet, 0)", period = 60, periods = 5, threshold = var.quiet_tenant_seconds
        description = "For five minutes a job of a quiet tenant has waited more than ${var.quiet_tenant_seconds} s while another tenant was noisy. A fair queue lets quiet tenants (MessageGroupId) pass, unless there are no free workers to pass to, or the noisy one sends without a MessageGroupId or under many of them."
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "math" {
  for_each            = local.math
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = local.described[each.key]
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = contains(local.pages, each.key) ? local.pages_to : local.tickets_to
  ok_actions          = contains(local.pages, each.key) ? local.pages_to : local.tickets_to
  tags                = { severity = contains(local.pages, each.key) ? "page" : "ticket" }
  metric_query {
    id          = "answer"
    label       = each.key
    expression  = each.value.expression
    return_data = true
  }
  dynamic "metric_query" {
    for_each = each.value.metrics
    content {
      id = metric_query.key
      metric {
        namespace   = metric_query.value[0]
        metric_name = metric_query.value[1]
        dimensions  = metric_query.value[2]
        stat        = metric_query.value[3]
        period      = each.value.period
      }
    }
  }
}

# An alarm that changes its kind keeps its name: without this Terraform would make the new one and delete it with the old.
moved {
  from = aws_cloudwatch_metric_alarm.share
  to   = aws_cloudwatch_metric_alarm.math
}

moved {
  from = aws_cloudwatch_metric_alarm.metric["embedding-throttled"]
  to   = aws_cloudwatch_metric_alarm.math["embedding-throttled"]
}

moved {
  from = aws_cloudwatch_metric_alarm.metric["records-throttled"]
  to   = aws_cloudwatch_metric_alarm.math["records-throttled"]
}

moved {
  from = aws_cloudwatch_metric_alarm.metric["error-lines"]
  to   = aws_cloudwatch_metric_alarm.math["error-lines"]
}
