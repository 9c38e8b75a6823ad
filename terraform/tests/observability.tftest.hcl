# Log group, metrics, alarms, dashboard.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                       = "n"
  region                     = "us-east-1"
  account_id                 = "123456789012"
  encrypted                  = false
  kms_key_arn                = null
  log_group_name             = "/aws/lambda/n"
  log_retention_days         = 30
  metrics                    = "filters"
  alarm_emails               = []
  alarm_topic_arns           = []
  capacity_provider_name     = "n-1"
  capacity_cpu_percent       = 50
  max_concurrency            = 16
  oldest_message_seconds     = 300
  ticket_topic_arns          = []
  quiet_tenant_seconds       = 60
  embedding_slow_ms          = 2000
  scan_slow_ms               = 1000
  text_refused_percent       = 5
  visibility_timeout_seconds = 360
  catalog_refresh_seconds    = 60
  fifo_queue                 = false
  function_name              = "n"
  mapping_uuid               = "uuid-1"
  queue_name                 = "n-jobs"
  dead_letter_queue_name     = "n-dead-letters"
  table_name                 = "n-results"
  embedding_model            = "amazon.titan-embed-text-v2:0"
  undelivered_queue_name     = null
}

run "on_managed_instances" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition     = aws_cloudwatch_log_group.worker.retention_in_days == 30 && aws_cloudwatch_log_group.worker.name == "/aws/lambda/n" && aws_cloudwatch_log_group.worker.kms_key_id == null
    error_message = "The log group must be the function's, and be kept for 30 days."
  }
  assert {
    condition = toset(keys(output.alarms)) == toset([
      "capacity-cpu", "concurrency-at-limit", "memory",
      "mapping-failures", "throttled-concurrency", "throttled-cpu", "throttled-memory", "throttled-disk",
      "dead-letters", "oldest-message", "function-errors", "records-throttled", "embedding-throttled",
      "catalog-refresh", "blocked", "error-lines", "mostly-retried", "many-dead-letters", "embedding-errors",
      "records-errors", "many-function-errors", "embedding-slow", "scan-slow", "quiet-tenants-wait", "text-refused",
    ])
    error_message = "There must be an alarm for each thing that a person has to know of."
  }
  assert {
    condition     = alltrue([for alarm in output.alarms : length(alarm.description) > 150 && length(alarm.description) < 1024 && alarm.treat_missing_data == "notBreaching"])
    error_message = "Each alarm must say why it matters and what to do, and stay silent where nothing happens."
  }
  assert {
    condition     = [for name, alarm in output.alarms : name if alarm.severity == "page"] == ["blocked", "many-dead-letters", "many-function-errors", "mostly-retried", "oldest-message"]
    error_message = "Only what cannot wait may wake somebody."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.instances["capacity-cpu"].threshold == 50 && aws_cloudwatch_metric_alarm.instances["capacity-cpu"].evaluation_periods == 2 && aws_cloudwatch_metric_alarm.instances["concurrency-at-limit"].threshold == 15 && aws_cloudwatch_metric_alarm.instances["memory"].threshold == 80 && aws_cloudwatch_metric_alarm.metric["oldest-message"].threshold == 300
    error_message = "Thresholds must follow target, limit and objective."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["dead-letters"].dimensions == tomap({ QueueName = "n-dead-letters" }) && aws_cloudwatch_metric_alarm.metric["oldest-message"].dimensions == tomap({ QueueName = "n-jobs" }) && aws_cloudwatch_metric_alarm.metric["function-errors"].dimensions == tomap({ FunctionName = "n" })
    error_message = "Alarms must watch this deployment's queues and function."
  }
  assert {
    # [period, of so many periods, so many breach]
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.metric : name => [alarm.period, alarm.evaluation_periods, alarm.datapoints_to_alarm] } == {
      dead-letters    = [60, 1, 1]
      oldest-message  = [60, 5, 5]
      embedding-slow  = [60, 10, 10]
      function-errors = [300, 4, 2] # a batch that crashes a process comes back after 360 s
      blocked         = [300, 4, 1] # a blocked job comes back within 15 minutes, and the alarm must last until then
      catalog-refresh = [300, 1, 1]
    }
    error_message = "An alarm must last as long as its cause does, and not ring again for it."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["embedding-slow"].extended_statistic == "p90" && aws_cloudwatch_metric_alarm.metric["embedding-slow"].threshold == 2000 && alltrue([for name, alarm in aws_cloudwatch_metric_alarm.metric : alarm.extended_statistic == null if name != "embedding-slow"])
    error_message = "A slow Bedrock must be told by the wait for embeddings."
  }
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.math : name => merge(
      { for query in alarm.metric_query : query.id => try(join(" ", concat([query.metric[0].stat, query.metric[0].namespace, query.metric[0].metric_name], values(coalesce(query.metric[0].dimensions, {})))), query.expression) },
      { rings = "> ${alarm.threshold}, ${alarm.evaluation_periods} x ${max([for query in alarm.metric_query : try(query.metric[0].period, 0)]...)} s" },
      ) if !startswith(name, "throttled-") } == {
      mapping-failures     = { part = "Sum AWS/Lambda FailedInvokeEventCount uuid-1", whole = "Sum AWS/Lambda InvokedEventCount uuid-1", answer = "100 * part / MAX([part, whole])", rings = "> 5, 3 x 300 s" }
      mostly-retried       = { part = "Sum nearline/n Retried", whole = "Sum nearline/n Messages", answer = "IF(part > 10, 100 * part / MAX([part, whole]), 0)", rings = "> 50, 3 x 300 s" }
      many-function-errors = { part = "Sum AWS/Lambda Errors n", whole = "Sum AWS/Lambda Invocations n", answer = "IF(part > 2, 100 * part / MAX([part, whole]), 0)", rings = "> 5, 3 x 300 s" }
      many-dead-letters    = { part = "Sum nearline/n DeadLettered", whole = "Sum nearline/n Messages", answer = "IF(part > 10, 100 * part / MAX([part, whole]), 0)", rings = "> 5, 3 x 300 s" }
      text-refused         = { part = "Sum nearline/n TextsRefused", whole = "Sum nearline/n Messages", answer = "100 * part / MAX([part, whole])", rings = "> 5, 3 x 300 s" }
      embedding-throttled  = { part = "Sum AWS/Bedrock InvocationThrottles amazon.titan-embed-text-v2:0", rest = "Sum AWS/Bedrock Invocations amazon.titan-embed-text-v2:0", answer = "100 * part / SUM([part, rest])", rings = "> 5, 3 x 300 s" }
      embedding-errors     = { part = "Sum AWS/Bedrock InvocationServerErrors amazon.titan-embed-text-v2:0", rest = "Sum AWS/Bedrock Invocations amazon.titan-embed-text-v2:0", answer = "100 * part / SUM([part, rest])", rings = "> 5, 3 x 300 s" }
      records-throttled    = { writes = "Sum AWS/DynamoDB WriteThrottleEvents n-results", reads = "Sum AWS/DynamoDB ReadThrottleEvents n-results", answer = "SUM([writes, reads])", rings = "> 0, 5 x 60 s" }
      records-errors       = { writes = "Sum AWS/DynamoDB SystemErrors PutItem n-results", reads = "Sum AWS/DynamoDB SystemErrors BatchGetItem n-results", answer = "SUM([writes, reads])", rings = "> 0, 5 x 60 s" }
      scan-slow            = { waiting = "p90 nearline/n ScanWaitDuration", scan = "p90 nearline/n ScanDuration", answer = "waiting + scan", rings = "> 1000, 10 x 60 s" }
      quiet-tenants-wait   = { noisy = "Maximum AWS/SQS ApproximateNumberOfNoisyGroups n-jobs", quiet = "Maximum AWS/SQS ApproximateAgeOfOldestMessageInQuietGroups n-jobs", answer = "IF(noisy > 0, quiet, 0)", rings = "> 60, 5 x 60 s" }
      error-lines          = { lines = "Sum nearline/n ErrorLines", blocked = "Sum nearline/n Blocked", refused = "Sum nearline/n CatalogRefreshFailures", answer = "IF(blocked > 0, 0, lines - refused)", rings = "> 0, 3 x 300 s" }
    }
    error_message = "What is watched must be this, of this deployment."
  }
  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.math["throttled-cpu"].metric_query : query.id => try("${query.metric[0].namespace} ${query.metric[0].metric_name} ${query.metric[0].dimensions.FunctionName}", query.expression) } == {
      part = "AWS/Lambda CPUThrottles n", rest = "AWS/Lambda Invocations n", answer = "100 * part / SUM([part, rest])"
    }
    error_message = "The share of what is throttled must be watched, by reason."
  }
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.instances : name => one(alarm.metric_query).expression } == {
      capacity-cpu         = "SELECT AVG(CPUUtilization) FROM \"AWS/Lambda\" WHERE CapacityProviderName = 'n-1'"
      concurrency-at-limit = "SELECT MAX(ExecutionEnvironmentConcurrency) FROM \"AWS/Lambda\" WHERE CapacityProviderName = 'n-1' AND FunctionName = 'n'"
      memory               = "SELECT MAX(ExecutionEnvironmentMemoryUtilization) FROM \"AWS/Lambda\" WHERE CapacityProviderName = 'n-1' AND FunctionName = 'n'"
    }
    error_message = "The instances' alarms must ask for this provider and function."
  }
  assert {
    condition     = { for name, filter in aws_cloudwatch_log_metric_filter.worker : name => one(filter.metric_transformation).value } == { for metric in jsondecode(file("./modules/observability/metrics.json")) : metric.name => metric.value }
    error_message = "There must be a filter for each metric of the worker."
  }
  assert {
    condition     = alltrue([for name, filter in aws_cloudwatch_log_metric_filter.worker : filter.log_group_name == "/aws/lambda/n" && one(filter.metric_transformation).name == name && one(filter.metric_transformation).namespace == "nearline/n"])
    error_message = "Each deployment's metrics must have its own namespace."
  }
  assert {
    condition = alltrue(concat(
      [for alarm in aws_cloudwatch_metric_alarm.metric : contains(keys(aws_cloudwatch_log_metric_filter.worker), alarm.metric_name) if alarm.namespace == "nearline/n"],
      flatten([for alarm in aws_cloudwatch_metric_alarm.math : [for query in alarm.metric_query : [for metric in query.metric : contains(keys(aws_cloudwatch_log_metric_filter.worker), metric.metric_name) if metric.namespace == "nearline/n"]]]),
    ))
    error_message = "Alarms must name metrics that the worker has."
  }
  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && alltrue([for alarm in output.alarms : length(alarm.actions) == 0])
    error_message = "Without addresses there is no topic."
  }
}

run "what_the_documents_say_of_alarms" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for alarm in output.alarms :
      strcontains(file("../docs/operations.md"), "\n### ${alarm.heading}\n") && endswith(alarm.description, " See \"${alarm.heading}\" in docs/operations.md.")
    ])
    error_message = "Each alarm must name a heading of docs/operations.md: ${join(", ", [for name, alarm in output.alarms : "${name} (${alarm.heading})" if !strcontains(file("../docs/operations.md"), "\n### ${alarm.heading}\n")])}."
  }
  assert {
    # The rows of the table: | `name`, `name` | page or ticket | when | what to do |
    condition = {
      for row in flatten([for line in regexall("\n\\| (`[a-z`, -]+) \\| (page|ticket) \\|[^\n]*\\[([^\\]]+)\\]\\(#([a-z0-9-]+)\\) \\|", file("../docs/operations.md")) : [for name in regexall("`([a-z-]+)`", line[0]) : { name = name[0], is = [line[1], line[2], line[3]] }]]) : row.name => row.is
    } == merge({ for name, alarm in output.alarms : name => [alarm.severity, alarm.heading, replace(lower(alarm.heading), " ", "-")] }, { throttled = ["ticket", "The function is full", "the-function-is-full"], undelivered = ["ticket", "A schedule or a notice failed", "a-schedule-or-a-notice-failed"] }) # of a standard function, of a schedule
    error_message = "The table of alarms in docs/operations.md must have these alarms, whether they wake somebody, and the heading they name."
  }
  assert {
    condition     = strcontains(file("../docs/deployment.md"), "alarms: ${length(output.alarms)} on ${sum([for alarm in output.alarms : alarm.metrics])} metrics, ")
    error_message = "docs/deployment.md must count ${length(output.alarms)} alarms on ${sum([for alarm in output.alarms : alarm.metrics])} metrics."
  }
  assert {
    condition     = strcontains(file("../docs/deployment.md"), format("the %d metrics ($%.2f a month)", length(aws_cloudwatch_log_metric_filter.worker), 0.3 * length(aws_cloudwatch_log_metric_filter.worker)))
    error_message = "docs/deployment.md must count ${length(aws_cloudwatch_log_metric_filter.worker)} metrics at $0.30 a month."
  }
}

run "the_dashboard" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([
      for metric in flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : try(metric[1], "") if try(metric[0] == "nearline/n", false)]]) :
      contains(keys(aws_cloudwatch_log_metric_filter.worker), metric)
    ])
    error_message = "The dashboard must name metrics that the worker has."
  }
  assert {
    condition     = length(setsubtract(keys(aws_cloudwatch_log_metric_filter.worker), flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : try(metric[1], "") if try(metric[0] == "nearline/n", false)]]))) == 0
    error_message = "The dashboard must show all that the worker counts."
  }
  assert {
    condition     = length(toset(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : jsonencode([for word in metric : word if can(regex("^", word))]) if can(regex("^", metric[0]))]]))) > 45 # and what its searches find: more than 50
    error_message = "docs/deployment.md says that the dashboard has more than 50 metrics, which costs $3 a month."
  }
  assert {
    condition = { for stat in ["p50", "p90"] : stat => [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in widget.properties.metrics : "${metric[2].stat} ${metric[1]}"] if try(widget.properties.title, "") == "Where the time of a batch goes, ${stat} (ms)"] } == {
      for stat in ["p50", "p90"] : stat => [[for metric in ["EmbedDuration", "LookUpDuration", "ScanDuration", "SettleDuration", "EmbedWaitDuration", "ScanWaitDuration", "WriteDuration"] : "${stat} ${metric}"]]
    }
    error_message = "The dashboard must tell a slow Bedrock from a slow scan."
  }
  assert {
    condition = length(setintersection(flatten([for title in ["Throttled", "Errors"] : [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in widget.properties.metrics : "${title}"] if try(widget.properties.title, "") == title]]), ["Throttled", "Errors"])) == 2 && length(setintersection([
      for title in ["Throttled", "Errors"] : toset(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in widget.properties.metrics : "${metric[0]} ${metric[1]}"] if try(widget.properties.title, "") == title]))
    ]...)) == 0
    error_message = "Nothing may count as throttled and as an error."
  }
  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in widget.properties.metrics : try(metric[0].expression, metric[2].visible)] if try(widget.properties.title, "") == "Texts that the cache answers (%)"] == [[false, false, "100 * hits / SUM([hits, embedded])"]]
    error_message = "The dashboard must show the share of the cache, and not what it is made of."
  }
  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.markdown if widget.type == "text"] == ["## Is it keeping up?", "## What does it cost?", "## What is wrong?"]
    error_message = "The dashboard must ask its three questions."
  }
  assert {
    condition     = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x} ${widget.y}"])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) && alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.x + widget.width <= 24])
    error_message = "Every widget must have its own place."
  }
  assert {
    condition     = [for widget in slice(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets, 0, 2) : [widget.properties.title, length(widget.properties.alarms)]] == [["Wakes somebody", 5], ["For the morning", 20]]
    error_message = "All alarms must be on it, and first those that cannot wait."
  }
}

run "with_people_to_tell_and_a_key" {
  module {
    source = "./modules/observability"
  }
  variables {
    undelivered_queue_name = "n-undelivered"
    alarm_emails           = ["on-call@example.com"]
    alarm_topic_arns       = ["arn:aws:sns:us-east-1:123456789012:pager"]
    encrypted              = true
    kms_key_arn            = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["undelivered"].dimensions == tomap({ QueueName = "n-undelivered" }) && output.alarms["undelivered"].severity == "ticket" && strcontains(file("../docs/operations.md"), "\n### ${output.alarms["undelivered"].heading}\n")
    error_message = "What a schedule or a pipe could not do must be told, in the morning."
  }
  assert {
    condition     = alltrue([for alarm in output.alarms : toset(alarm.actions) == toset([aws_sns_topic.alarms[0].arn, "arn:aws:sns:us-east-1:123456789012:pager"])])
    error_message = "Alarms must go to the new topic and to the given one."
  }
  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.metric), values(aws_cloudwatch_metric_alarm.instances), values(aws_cloudwatch_metric_alarm.math)) : toset(alarm.ok_actions) == toset(alarm.alarm_actions)])
    error_message = "Alarms must say when it is over."
  }
  assert {
    condition     = aws_sns_topic_subscription.emails["on-call@example.com"].protocol == "email" && aws_sns_topic.alarms[0].kms_master_key_id == var.kms_key_arn && aws_cloudwatch_log_group.worker.kms_key_id == var.kms_key_arn
    error_message = "The key must encrypt logs and topic."
  }
  assert {
    condition     = jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement[0].Principal.Service == "cloudwatch.amazonaws.com" && jsondecode(aws_sns_topic_policy.alarms[0].policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Only this account's alarms may publish."
  }
}

run "some_wake_somebody_and_some_wait_for_the_morning" {
  module {
    source = "./modules/observability"
  }
  variables {
    alarm_emails      = ["on-call@example.com"]
    alarm_topic_arns  = ["arn:aws:sns:us-east-1:123456789012:pager"]
    ticket_topic_arns = ["arn:aws:sns:us-east-1:123456789012:tickets"]
  }

  assert {
    condition     = alltrue([for alarm in output.alarms : toset(alarm.actions) == toset([aws_sns_topic.alarms[0].arn, "arn:aws:sns:us-east-1:123456789012:${alarm.severity == "page" ? "pager" : "tickets"}"])])
    error_message = "What can wait must not go to the pager, and e-mails must have all."
  }
}

run "with_a_fifo_queue" {
  module {
    source = "./modules/observability"
  }
  variables {
    fifo_queue = true
  }

  assert {
    condition     = !contains(keys(output.alarms), "quiet-tenants-wait") && !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "Groups")
    error_message = "A FIFO queue has none of the metrics of fair queues."
  }
}

run "with_slow_rounds" {
  module {
    source = "./modules/observability"
  }
  variables {
    visibility_timeout_seconds = 43200
    catalog_refresh_seconds    = 3600
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["function-errors"].evaluation_periods == 288 # a day, CloudWatch's most
    error_message = "A batch that crashes its process must be seen to do it again."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["catalog-refresh"].period == 7200
    error_message = "Each period must see a look at the catalog."
  }
}

run "on_standard_lambda" {
  module {
    source = "./modules/observability"
  }
  variables {
    capacity_provider_name = null
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.instances) == 0 && [for name in keys(aws_cloudwatch_metric_alarm.math) : name if startswith(name, "throttled")] == ["throttled"]
    error_message = "A standard function has no instances, and one kind of throttling."
  }
  assert {
    condition     = length(toset(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : jsonencode([for word in metric : word if can(regex("^", word))]) if can(regex("^", metric[0]))]]))) <= 50
    error_message = "docs/deployment.md says that the dashboard has 50 metrics at most without instances, and costs nothing."
  }
  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "CapacityProviderName")
    error_message = "Its dashboard must not ask for instances."
  }
  assert {
    condition     = strcontains(file("../docs/deployment.md"), "or ${length(output.alarms)} on ${sum([for alarm in output.alarms : alarm.metrics])} without instances")
    error_message = "docs/deployment.md must count ${length(output.alarms)} alarms on ${sum([for alarm in output.alarms : alarm.metrics])} metrics without instances."
  }
}

run "metrics_that_the_worker_tells_itself" {
  module {
    source = "./modules/observability"
  }
  variables {
    metrics = "emf"
  }

  assert {
    condition     = length(aws_cloudwatch_log_metric_filter.worker) == 0
    error_message = "Filters would count them a second time."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["blocked"].namespace == "nearline/n" && output.namespace == "nearline/n"
    error_message = "Alarms must watch the same metrics."
  }
}
