output "table_name" {
  description = "Name of the table of the records."
  value       = aws_dynamodb_table.results.name
}

output "table_arn" {
  description = "ARN of the table of the records."
  value       = aws_dynamodb_table.results.arn
}

output "stream_arn" {
  description = "ARN of the table's stream; null: it has none."
  value       = var.stream_view_type == null ? null : aws_dynamodb_table.results.stream_arn
}

output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}
