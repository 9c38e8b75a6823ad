output "url" {
  description = "URL of the queue of the jobs."
  value       = aws_sqs_queue.jobs.url
}

output "arn" {
  description = "ARN of the queue of the jobs."
  value       = aws_sqs_queue.jobs.arn
}

output "name" {
  description = "Name of the queue of the jobs."
  value       = aws_sqs_queue.jobs.name
}

output "dead_letter_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letter_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.arn
}

output "dead_letter_name" {
  description = "Name of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.name
}
