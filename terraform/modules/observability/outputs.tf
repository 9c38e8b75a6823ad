output "log_group_name" {
  description = "Log group of the worker. The function is given it from here, so that the group is there first."
  value       = aws_cloudwatch_log_group.worker.name
}

output "log_group_arn" {
  description = "ARN of the log group, without a trailing `:*`."
  value       = aws_cloudwatch_log_group.worker.arn
}

output "alarm_topic_arn" {
  description = "Topic that was made for the addresses; null: there are none."
  value       = one(aws_sns_topic.alarms[*].arn)
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
