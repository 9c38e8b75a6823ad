# One page, three questions: is it keeping up, what does it cost, what is wrong.

locals {
  function = ["FunctionName", var.function_name]
  queue    = ["QueueName", var.queue_name]
  table    = ["TableName", var.table_name]
  mapping  = ["EventSourceMappingUUID", var.mapping_uuid]
  model    = ["ModelId", var.embedding_model]

  # A graph's metrics: [label, stat, namespace, name, dimensions...], or { label, search } where dimensions change.
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
        ["succeeded", "Sum", local.namespace, "Succeeded", []],
        ["rejected", "Sum", local.namespace, "Rejected", []],
        ["replayed", "Sum", local.namespace, "Replayed", []],
      ], searches = [] },
      { title = "A batch takes (ms)", metrics = [
        ["p50", "p50", local.namespace, "BatchDuration", []],
        ["p99", "p99", local.namespace, "BatchDuration", []],
      ], searches = [] },
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
        ["texts and images", "Sum", "AWS/Bedrock", "Invocations", local.model],
      ], searches = [] },
      { title = "Record units a minute", metrics = [
        ["written", "Sum", "AWS/DynamoDB", "ConsumedWriteCapacityUnits", local.table],
        ["read", "Sum", "AWS/DynamoDB", "ConsumedReadCapacityUnits", local.table],
      ], searches = [] },
      { title = "Log bytes a minute", metrics = [
        ["bytes", "Sum", "AWS/Logs", "IncomingBytes", ["LogGroupName", var.log_group_name]],
      ], searches = [] },
    ])
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
        [for name in keys(local.throttle_reasons) : [name, "Sum", "AWS/Lambda", name, local.function]],
        [
          ["embeddings", "Sum", "AWS/Bedrock", "InvocationThrottles", local.model],
          ["records", "Sum", "AWS/DynamoDB", "WriteThrottleEvents", local.table],
      ]), searches = [] },
      { title = "Errors", metrics = [
        ["function", "Sum", "AWS/Lambda", "Errors", local.function],
        ["embedding model", "Sum", "AWS/Bedrock", "InvocationServerErrors", local.model],
        ["log lines", "Sum", local.namespace, "ErrorLines", []],
      ], searches = [] },
      { title = "Catalogs taken up", metrics = [
        ["taken up", "Sum", local.namespace, "CatalogReplacements", []],
        ["failed", "Sum", local.namespace, "CatalogRefreshFailures", []],
      ], searches = [] },
    ]
  }

  questions = [
    { text = "## Is it keeping up?", graphs = local.graphs.keeping_up },
    { text = "## What does it cost?", graphs = local.graphs.cost },
    { text = "## What is wrong?", graphs = local.graphs.wrong },
  ]

  alarm_arns = concat(
    [for alarm in aws_cloudwatch_metric_alarm.metric : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.instances : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.share : alarm.arn],
  )

  # Three graphs a row of 24 columns, 6 high, under a heading 1 high.
  heights = [for question in local.questions : 1 + 6 * ceil(length(question.graphs) / 3)]
  tops    = [for index, question in local.questions : 3 + sum(concat([0], slice(local.heights, 0, index)))]

  # As texts, since their shapes differ.
  widgets = concat(
    [jsonencode({
      type       = "alarm", x = 0, y = 0, width = 24, height = 3
      properties = { title = "Alarms", alarms = local.alarm_arns }
    })],
    flatten([for index, question in local.questions : concat(
      [jsonencode({ type = "text", x = 0, y = local.tops[index], width = 24, height = 1, properties = { markdown = question.text } })],
      [for place, graph in question.graphs : jsonencode({
        type = "metric", x = 8 * (place % 3), y = local.tops[index] + 1 + 6 * floor(place / 3), width = 8, height = 6
        properties = {
          title = graph.title, region = var.region, view = "timeSeries", period = 60
          yAxis = { left = { min = 0 } }
          metrics = concat(
            [for metric in graph.metrics : concat([metric[2], metric[3]], metric[4], [{ label = metric[0], stat = metric[1] }])],
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
