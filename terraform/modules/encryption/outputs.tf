output "key_arn" {
  description = "Key that encrypts; null: AWS's own keys do."
  value       = local.key_arn
}

output "enabled" {
  description = "Whether there is a key to name: known when planning, unlike the ARN of a key that is not there yet."
  value       = var.mode != "aws_owned"
}
