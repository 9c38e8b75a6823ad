output "log_group_name" {
  description = "Log group of the worker. The function is given it from here, so that the group is there first."
  value       = aws_cloudwatch_log_group.worker.name
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "namespace" {
  description = "Namespace of the worker's metrics."
  value       = local.namespace
}

output "alarms" {
  description = "Each alarm: whom it tells, what it says, how many metrics it costs."
  value = {
    for name, alarm in local.alarms : name => {
      severity           = contains(local.pages, name) ? "page" : "ticket"
      heading            = local.headings[name]
      description        = alarm.alarm_description
      actions            = alarm.alarm_actions
      treat_missing_data = alarm.treat_missing_data
      metrics            = max(1, length([for query in alarm.metric_query : 1 if length(query.metric) > 0]))
    }
  }
}

output "waiting_alarm" {
  description = "The alarm that rings for jobs that wait too long."
  value       = { name = aws_cloudwatch_metric_alarm.metric["oldest-message"].alarm_name, arn = aws_cloudwatch_metric_alarm.metric["oldest-message"].arn }
}
