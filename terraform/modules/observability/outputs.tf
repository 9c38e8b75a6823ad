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
