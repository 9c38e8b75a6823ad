# One page, three questions: is it keeping up, what does it cost, what is wrong.

locals {
  function = ["FunctionName", var.function_name]
  queue    = ["QueueName", var.queue_name]
  table    = ["TableName", var.table_name]
  mapping  = ["EventSourceMappingUUID", var.mapping_uuid]
  model    = ["ModelId", var.embedding_model]

  # What a batch does, one after the other.
  stages = {
    "look-up"         = "LookUpDuration"
    "wait for a call" = "EmbedWaitDuration"
    "embeddings"      = "EmbedDuration"
    "wait for a scan" = "ScanWaitDuration"
    "scan"            = "ScanDuration"
    "write"           = "WriteDuration"
    "settle"          = "SettleDuration"
  }

  # A graph's metrics: [label, stat, namespace, name, dimensions], and an id if it is not drawn itself; `searches` compute
  # with those, and find what has dimensions that change.
  graphs = {
    keeping_up = concat([
      { title = "Jobs waiting", metrics = [
        ["waiting", "Maximum", "AWS/SQS", "ApproximateNumberOfMessagesVisible", local.queue],
        ["being answered", "Maximum", "AWS/SQS", "ApproximateNumberOfMessagesNotVisible", local.queue],
      ], searches = [] },
      { title = "Age of the oldest job (s)", metrics = [
        ["oldest", "Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessage", local.queue],
      ], searches = [], line = { label = "objective", value = var.oldest_message_seconds } },
      { title = "Jobs a minute", metrics = [
        ["sent", "Sum", "AWS/SQS", "NumberOfMessagesSent", local.queue],
        ["received", "Sum", local.namespace, "Messages", []],
        ["succeeded", "Sum", local.namespace, "Succeeded", []],
        ["rejected", "Sum", local.namespace, "Rejected", []],
        ["replayed", "Sum", local.namespace, "Replayed", []],
      ], searches = [] },
      { title = "From sent to received (ms)", metrics = [
        ["p50", "p50", local.namespace, "QueueWait", []],
        ["p90", "p90", local.namespace, "QueueWait", []],
      ], searches = [] },
      { title = "A batch takes (ms)", metrics = [
        ["p50", "p50", local.namespace, "BatchDuration", []],
        ["p99", "p99", local.namespace, "BatchDuration", []],
      ], searches = [] },
      ], [for stat in ["p50", "p90"] :
      { title = "Where the time of a batch goes, ${stat} (ms)", metrics = [
        for label, metric in local.stages : [label, stat, local.namespace, metric, []]
      ], searches = [] }
      ], [
      { title = "Embeddings take (ms)", metrics = [
        ["calls, p90", "p90", local.namespace, "EmbedDuration", []],
        ["of it by Bedrock's own account, p90", "p90", "AWS/Bedrock", "InvocationLatency", local.model],
        ["before it, for our limits, p90", "p90", local.namespace, "EmbedWaitDuration", []],
      ], searches = [], line = { label = "slow", value = var.embedding_slow_ms } },
      { title = "A scan takes (ms)", metrics = [
        ["scan, p90", "p90", local.namespace, "ScanDuration", []],
        ["scan", "p90", local.namespace, "ScanDuration", [], "scan"],
        ["waiting", "p90", local.namespace, "ScanWaitDuration", [], "waiting"],
        ], searches = [
        { label = "with the wait for it, p90", expression = "waiting + scan" },
      ], line = { label = "slow", value = var.scan_slow_ms } },
      ], [for standard in var.fifo_queue ? [] : [true] :
      { title = "Oldest job beside noisy tenants (s)", metrics = [
        ["of quiet tenants", "Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessageInQuietGroups", local.queue],
        ["of all", "Maximum", "AWS/SQS", "ApproximateAgeOfOldestMessage", local.queue],
      ], searches = [], line = { label = "too long for quiet ones", value = var.quiet_tenant_seconds } }
      ], [for standard in var.fifo_queue ? [] : [true] :
      { title = "Noisy tenants", metrics = [
        ["message groups", "Maximum", "AWS/SQS", "ApproximateNumberOfNoisyGroups", local.queue],
      ], searches = [] }
      ], [for provider in var.capacity_provider_name[*] :
      { title = "Invocations at once in an environment", metrics = [], searches = [
        { label = "most", expression = "SEARCH('{AWS/Lambda,CapacityProviderName,FunctionName,Resource} FunctionName=\"${var.function_name}\" MetricName=\"ExecutionEnvironmentConcurrency\"', 'Maximum', 300)" },
      ], line = { label = "limit", value = var.max_concurrency } }
      ], [for provider in var.capacity_provider_name[*] :
      { title = "CPU and memory of the environments (%)", metrics = [], searches = [
        { label = "CPU", expression = "SEARCH('{AWS/Lambda,CapacityProviderName,FunctionName,Resource} FunctionName=\"${var.function_name}\" MetricName=\"ExecutionEnvironmentCPUUtilization\"', 'Maximum', 300)" },
        { label = "memory", expression = "SEARCH('{AWS/Lambda,CapacityProviderName,FunctionName,Resource} FunctionName=\"${var.function_name}\" MetricName=\"ExecutionEnvironmentMemoryUtilization\"', 'Maximum', 300)" },
      ], line = { label = "too full", value = 80 } }
    ])
    cost = concat([for provider in var.capacity_provider_name[*] :
      { title = "vCPUs of the instances, by type", metrics = [], searches = [
        { label = "for environments", expression = "SEARCH('{AWS/Lambda,CapacityProviderName,InstanceType} CapacityProviderName=\"${provider}\" MetricName=\"vCPUAllocated\"', 'Average', 300)" },
        { label = "free", expression = "SEARCH('{AWS/Lambda,CapacityProviderName,InstanceType} CapacityProviderName=\"${provider}\" MetricName=\"vCPUAvailable\"', 'Average', 300)" },
      ] }
      ], [
      { title = "Invocations a minute", metrics = [
        ["invocations", "Sum", "AWS/Lambda", "Invocations", local.function],
      ], searches = [] },
      { title = "Embeddings a minute", metrics = [
        ["calls in the account", "Sum", "AWS/Bedrock", "Invocations", local.model],
        ["texts embedded here", "Sum", local.namespace, "TextsEmbedded", []],
      ], searches = [] },
      { title = "Texts that the cache answers (%)", metrics = [
        ["from the cache", "Sum", local.namespace, "CacheHits", [], "hits"],
        ["embedded", "Sum", local.namespace, "TextsEmbedded", [], "embedded"],
        ], searches = [
        { label = "from the cache", expression = "100 * hits / SUM([hits, embedded])" },
      ] },
      { title = "Record units a minute", metrics = [
        ["written", "Sum", "AWS/DynamoDB", "ConsumedWriteCapacityUnits", local.table],
        ["read", "Sum", "AWS/DynamoDB", "ConsumedReadCapacityUnits", local.table],
      ], searches = [] },
      { title = "Log bytes a minute", metrics = [
        ["bytes", "Sum", "AWS/Logs", "IncomingBytes", ["LogGroupName", var.log_group_name]],
      ], searches = [] },
    ])
    # What is throttled is no error, here and at AWS: nothing is in both graphs.
    wrong = [
      { title = "Dead letters", metrics = [
        ["in the queue", "Maximum", "AWS/SQS", "ApproximateNumberOfMessagesVisible", ["QueueName", var.dead_letter_queue_name]],
        ["new", "Sum", local.namespace, "DeadLettered", []],
      ], searches = [] },
      { title = "Jobs that come again", metrics = [
        ["retried", "Sum", local.namespace, "Retried", []],
        ["blocked", "Sum", local.namespace, "Blocked", []],
        ["failed, by the mapping", "Sum", "AWS/Lambda", "FailedInvokeEventCount", local.mapping],
      ], searches = [] },
      { title = "Throttled", metrics = concat(
        [["jobs put back for it", "Sum", local.namespace, "Throttled", []]],
        [for name in keys(local.throttle_reasons) : ["invocations: ${name}", "Sum", "AWS/Lambda", name, local.function]],
        [
          ["embeddings", "Sum", "AWS/Bedrock", "InvocationThrottles", local.model],
          ["records written", "Sum", "AWS/DynamoDB", "WriteThrottleEvents", local.table],
          ["records read", "Sum", "AWS/DynamoDB", "ReadThrottleEvents", local.table],
      ]), searches = [] },
      { title = "Errors", metrics = [
        ["function", "Sum", "AWS/Lambda", "Errors", local.function],
        ["embeddings, Bedrock's fault", "Sum", "AWS/Bedrock", "InvocationServerErrors", local.model],
        ["embeddings, refused", "Sum", "AWS/Bedrock", "InvocationClientErrors", local.model],
        ["records written", "Sum", "AWS/DynamoDB", "SystemErrors", concat(local.table, ["Operation", "PutItem"])],
        ["records read", "Sum", "AWS/DynamoDB", "SystemErrors", concat(local.table, ["Operation", "BatchGetItem"])],
        ["refused by DynamoDB in the account", "Sum", "AWS/DynamoDB", "UserErrors", []],
        ["log lines", "Sum", local.namespace, "ErrorLines", []],
      ], searches = [] },
      { title = "Texts refused", metrics = [
        ["by the embedding model", "Sum", local.namespace, "TextsRefused", []],
      ], searches = [] },
      { title = "Catalogs", metrics = [
        ["taken up", "Sum", local.namespace, "CatalogReplacements", []],
        ["refused, the old one serves on", "Sum", local.namespace, "CatalogRefreshFailures", []],
      ], searches = [] },
    ]
  }

  questions = [
    { text = "## Is it keeping up?", graphs = local.graphs.keeping_up },
    { text = "## What does it cost?", graphs = local.graphs.cost },
    { text = "## What is wrong?", graphs = local.graphs.wrong },
  ]

  alarms = merge(aws_cloudwatch_metric_alarm.metric, aws_cloudwatch_metric_alarm.instances, aws_cloudwatch_metric_alarm.math)
  lists = [
    { title = "Wakes somebody", x = 0, width = 8, alarms = [for name, alarm in local.alarms : alarm.arn if contains(local.pages, name)] },
    { title = "For the morning", x = 8, width = 16, alarms = [for name, alarm in local.alarms : alarm.arn if !contains(local.pages, name)] },
  ]

  # Three graphs a row of 24 columns, 6 high, under a heading 1 high.
  heights = [for question in local.questions : 1 + 6 * ceil(length(question.graphs) / 3)]
  tops    = [for index, question in local.questions : 4 + sum(concat([0], slice(local.heights, 0, index)))]

  # As texts, since their shapes differ.
  widgets = concat(
    [for list in local.lists : jsonencode({
      type       = "alarm", x = list.x, y = 0, width = list.width, height = 4
      properties = { title = list.title, alarms = list.alarms }
    })],
    flatten([for index, question in local.questions : concat(
      [jsonencode({ type = "text", x = 0, y = local.tops[index], width = 24, height = 1, properties = { markdown = question.text } })],
      [for place, graph in question.graphs : jsonencode({
        type = "metric", x = 8 * (place % 3), y = local.tops[index] + 1 + 6 * floor(place / 3), width = 8, height = 6
        properties = {
          title = graph.title, region = var.region, view = "timeSeries", period = 60
          yAxis = { left = { min = 0 } }
          metrics = concat(
            [for metric in graph.metrics : concat([metric[2], metric[3]], metric[4], [
              merge({ label = metric[0], stat = metric[1] }, { for id in slice(metric, 5, length(metric)) : "id" => id }, { for id in slice(metric, 5, length(metric)) : "visible" => false }),
            ])],
            [for place, search in graph.searches : [{ label = search.label, expression = search.expression, id = "e${place}" }]],
          )
          annotations = { horizontal = [for line in try([graph.line], []) : { label = line.label, value = line.value }] }
        }
      })],
    )]),
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = [for widget in local.widgets : jsondecode(widget)] })
}
