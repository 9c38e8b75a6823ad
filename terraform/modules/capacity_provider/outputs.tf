output "arn" {
  description = "ARN of the provider."
  value       = local.create ? one(aws_lambda_capacity_provider.this[*].arn) : var.existing_arn
}

output "name" {
  description = "Name of the provider, the dimension of its metrics."
  value       = local.create ? local.name : element(split(":", var.existing_arn), -1)
}
