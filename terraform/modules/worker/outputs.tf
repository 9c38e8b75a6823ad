output "execution_role_arn" {
  description = "Role that signs the worker's calls."
  value       = aws_iam_role.execution.arn
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

output "live_version" {
  description = "The version that serves, once it is ready."
  value       = aws_lambda_alias.live.function_version
}

output "version" {
  description = "The newest published version."
  value       = aws_lambda_function.this.version
}

output "alias_arn" {
  description = "ARN of the alias: what to invoke."
  value       = aws_lambda_alias.live.arn
}

output "mapping_arn" {
  description = "ARN of the event source mapping."
  value       = aws_lambda_event_source_mapping.jobs.arn
}

output "mapping_uuid" {
  description = "Id of the event source mapping, the dimension of its metrics."
  value       = aws_lambda_event_source_mapping.jobs.uuid
}
