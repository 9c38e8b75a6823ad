output "queue_url" {
  description = "Where jobs are sent."
  value       = module.queue.url
}

output "queue_arn" {
  description = "What a producer's policy allows sqs:SendMessage on."
  value       = module.queue.arn
}

output "dead_letter_queue_url" {
  description = "Where messages go that no record can answer."
  value       = module.queue.dead_letter_url
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue."
  value       = module.queue.dead_letter_arn
}

output "results_table" {
  description = "Where records are read, by request_id."
  value       = module.storage.table_name
}

output "results_table_arn" {
  description = "What a reader's policy allows dynamodb:GetItem on."
  value       = module.storage.table_arn
}

output "results_stream_arn" {
  description = "Stream of the table; null without stream_view_type."
  value       = module.storage.stream_arn
}

output "bucket" {
  description = "Bucket of catalogs, and of results that are too large for a record."
  value       = module.storage.bucket_name
}

output "catalog" {
  description = "Where catalogs are published: NEARLINE_CATALOG."
  value       = local.shared_settings.NEARLINE_CATALOG
}

output "function_name" {
  description = "Name of the function."
  value       = module.worker.function_name
}

output "alias_arn" {
  description = "What to invoke: the alias `live`."
  value       = module.worker.alias_arn
}

output "version" {
  description = "The newest published version. `live` points to it unless live_version is set."
  value       = module.worker.version
}

output "mapping_maximum_concurrency" {
  description = "Most invocations at once by the event source mapping; null: Lambda's own limit."
  value       = local.mapping_maximum_concurrency
}

output "capacity_provider" {
  description = "Name of the capacity provider; null for a standard function."
  value       = local.managed ? module.capacity_provider[0].name : null
}

output "environments_per_instance" {
  description = "How many execution environments fit on an instance of each type that may be used: c*.xlarge where only the family is known. None for a standard function."
  value       = local.environments_per_instance
}

output "kms_key_arn" {
  description = "Key that encrypts; null: AWS's own keys. Producers and readers need it, see docs/deployment.md."
  value       = module.encryption.key_arn
}

output "log_group" {
  description = "Log group of the worker."
  value       = module.observability.log_group_name
}

output "dashboard_url" {
  description = "The dashboard."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${module.observability.dashboard_name}"
}

output "vpc_id" {
  description = "The VPC; null with networking_mode = \"existing\"."
  value       = module.network.vpc_id
}

output "interface_endpoints" {
  description = "Services that are reached by an interface endpoint."
  value       = module.network.interface_endpoints
}

output "deletion_protection" {
  description = "Whether the table, and a bucket that is not empty, refuse to be destroyed."
  value       = var.deletion_protection
}

output "own_capacity_provider" {
  description = "Whether the capacity provider, and its instances, end with this deployment."
  value       = local.managed && var.capacity_provider_arn == null
}

output "settings" {
  description = "The environment for nearline and loadgen on the command line, one NAME=value a line."
  value       = join("\n", [for name, value in merge({ AWS_REGION = var.region }, local.shared_settings) : "${name}=${value}"])
}
