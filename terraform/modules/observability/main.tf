# What tells how it is: the log group, the metrics that are counted in it, and where alarms go.

locals {
  namespace = "nearline/${var.name}"
  # Written by `make docs` from src/telemetry/metrics.rs, and compared with it by a test.
  metrics = { for metric in jsondecode(file("${path.module}/metrics.json")) : metric.name => metric }
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = var.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.encrypted ? var.kms_key_arn : null
}

resource "aws_cloudwatch_log_metric_filter" "worker" {
  # Counted from the log or told by the worker itself, never both: they would count twice.
  for_each       = var.metrics == "filters" ? local.metrics : {}
  name           = each.key
  log_group_name = aws_cloudwatch_log_group.worker.name
  pattern        = each.value.pattern
  metric_transformation {
    namespace = local.namespace
    name      = each.key
    unit      = each.value.unit
    value     = each.value.value
    # A count without a line is zero; a duration is not.
    default_value = each.value.unit == "Count" ? "0" : null
  }
}

# Without a key of ours the topic is not encrypted: AWS's own key for SNS does not let CloudWatch alarms publish.
resource "aws_sns_topic" "alarms" {
  count             = length(var.alarm_emails) > 0 ? 1 : 0
  name              = "${var.name}-alarms"
  kms_master_key_id = var.encrypted ? var.kms_key_arn : null
}

resource "aws_sns_topic_policy" "alarms" {
  count = length(var.alarm_emails) > 0 ? 1 : 0
  arn   = aws_sns_topic.alarms[0].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = ["sns:Publish"]
      Resource  = aws_sns_topic.alarms[0].arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "emails" {
  for_each  = toset(var.alarm_emails)
  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.key
}
