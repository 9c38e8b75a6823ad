output "pipe_arn" {
  description = "ARN of the pipe."
  value       = aws_pipes_pipe.notices.arn
}
