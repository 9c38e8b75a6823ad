output "task_role_arn" {
  description = "Role that signs the worker's calls."
  value       = aws_iam_role.task.arn
}

output "service" {
  description = "Cluster and service."
  value       = "${aws_ecs_cluster.this.name}/${aws_ecs_service.worker.name}"
}

output "log_group_name" {
  description = "Log group of the worker."
  value       = aws_cloudwatch_log_group.worker.name
}
