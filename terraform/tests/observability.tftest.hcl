# Log group, metrics, alarms, dashboard.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name                   = "n"
  region                 = "us-east-1"
  account_id             = "123456789012"
  encrypted              = false
  kms_key_arn            = null
  log_group_name         = "/aws/lambda/n"
  log_retention_days     = 30
  metrics                = "filters"
  alarm_emails           = []
  alarm_topic_arns       = []
  capacity_provider_name = "n-1"
  capacity_cpu_percent   = 50
  max_concurrency        = 16
  oldest_message_seconds = 300
  function_name          = "n"
  mapping_uuid           = "uuid-1"
  queue_name             = "n-jobs"
  dead_letter_queue_name = "n-dead-letters"
  table_name             = "n-results"
  embedding_model        = "amazon.titan-embed-text-v2:0"
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
    condition = toset(concat(keys(aws_cloudwatch_metric_alarm.metric), keys(aws_cloudwatch_metric_alarm.instances), keys(aws_cloudwatch_metric_alarm.share))) == toset([
      "capacity-cpu", "concurrency-at-limit", "memory",
      "mapping-failures", "throttled-concurrency", "throttled-cpu", "throttled-memory", "throttled-disk",
      "dead-letters", "oldest-message", "function-errors", "records-throttled", "embedding-throttled",
      "catalog-refresh", "blocked", "error-lines",
    ])
    error_message = "There must be an alarm for each thing that a person has to know of."
  }
  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.metric), values(aws_cloudwatch_metric_alarm.instances), values(aws_cloudwatch_metric_alarm.share)) : length(alarm.alarm_description) > 100 && length(alarm.alarm_description) < 1024 && alarm.treat_missing_data == "notBreaching"])
    error_message = "Each alarm must say why it matters and what to do."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.instances["capacity-cpu"].threshold == 50 && aws_cloudwatch_metric_alarm.instances["capacity-cpu"].evaluation_periods == 2 && aws_cloudwatch_metric_alarm.instances["concurrency-at-limit"].threshold == 15 && aws_cloudwatch_metric_alarm.instances["memory"].threshold == 80 && aws_cloudwatch_metric_alarm.metric["oldest-message"].threshold == 300
    error_message = "Thresholds must follow target, limit and objective."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.metric["dead-letters"].dimensions == tomap({ QueueName = "n-dead-letters" }) && aws_cloudwatch_metric_alarm.metric["embedding-throttled"].dimensions == tomap({ ModelId = "amazon.titan-embed-text-v2:0" }) && aws_cloudwatch_metric_alarm.metric["records-throttled"].dimensions == tomap({ TableName = "n-results" })
    error_message = "Alarms must watch this deployment's queue, table and model."
  }
  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.share["mapping-failures"].metric_query : query.id => try("${query.metric[0].namespace} ${query.metric[0].metric_name} ${query.metric[0].dimensions.EventSourceMappingUUID}", query.expression) } == {
      part = "AWS/Lambda FailedInvokeEventCount uuid-1", rest = "AWS/Lambda InvokedEventCount uuid-1", share = "IF(FILL(part, 0) > 0, 100 * FILL(part, 0) / (IF(FILL(rest, 0) > 0, FILL(rest, 0), FILL(part, 0))), 0)"
    }
    error_message = "The share of the mapping's failures must be watched."
  }
  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.share["throttled-cpu"].metric_query : query.id => try("${query.metric[0].namespace} ${query.metric[0].metric_name} ${query.metric[0].dimensions.FunctionName}", query.expression) } == {
      part = "AWS/Lambda CPUThrottles n", rest = "AWS/Lambda Invocations n", share = "IF(FILL(part, 0) + FILL(rest, 0) > 0, 100 * FILL(part, 0) / (FILL(part, 0) + FILL(rest, 0)), 0)"
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
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.metric : contains(keys(aws_cloudwatch_log_metric_filter.worker), alarm.metric_name) if alarm.namespace == "nearline/n"
    ])
    error_message = "Alarms must name metrics that the worker has."
  }
  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && alltrue([for alarm in aws_cloudwatch_metric_alarm.metric : length(alarm.alarm_actions) == 0])
    error_message = "Without addresses there is no topic."
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
    condition     = length(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : 1 if try(metric[0] == "nearline/n", false)]])) == 11
    error_message = "The dashboard must show what the worker counts."
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
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[0].properties.alarms) == 16
    error_message = "All alarms must be on it."
  }
}

run "with_people_to_tell_and_a_key" {
  module {
    source = "./modules/observability"
  }
  variables {
    alarm_emails     = ["on-call@example.com"]
    alarm_topic_arns = ["arn:aws:sns:us-east-1:123456789012:pager"]
    encrypted        = true
    kms_key_arn      = "arn:aws:kms:us-east-1:123456789012:key/k"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.metric : toset(alarm.alarm_actions) == toset([aws_sns_topic.alarms[0].arn, "arn:aws:sns:us-east-1:123456789012:pager"]) && toset(alarm.ok_actions) == toset(alarm.alarm_actions)])
    error_message = "Alarms must go to the new topic and to the given one, and say when it is over."
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

run "on_standard_lambda" {
  module {
    source = "./modules/observability"
  }
  variables {
    capacity_provider_name = null
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.instances) == 0 && toset(keys(aws_cloudwatch_metric_alarm.share)) == toset(["throttled", "mapping-failures"])
    error_message = "A standard function has no instances, and one kind of throttling."
  }
  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "CapacityProviderName")
    error_message = "Its dashboard must not ask for instances."
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
