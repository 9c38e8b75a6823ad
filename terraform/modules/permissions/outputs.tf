output "statements" {
  description = "Statements of the execution role's policy, as JSON texts (their shapes differ)."
  value       = [for statement in flatten(values(local.by_service)) : jsonencode(statement)]
}

output "endpoint_policies" {
  description = "Policy document (JSON) for the VPC endpoint of each service that the worker calls."
  value       = local.endpoint_policies
}
