variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "fifo" {
  description = "Whether jobs of one message group are answered in their order."
  type        = bool
}

variable "visibility_timeout_seconds" {
  description = "How long a received job stays hidden; at least six times the function's timeout."
  type        = number
}

variable "message_retention_seconds" {
  description = "How long a job waits for a worker before SQS drops it."
  type        = number
}

variable "max_receive_count" {
  description = "Deliveries after which SQS itself moves a message: a net under a worker that keeps crashing."
  type        = number
}

variable "producer_arns" {
  description = "Principals that may send jobs, by the queue's own policy: those of other accounts need it."
  type        = list(string)
}

variable "producer_topics" {
  description = "SNS topics whose messages are jobs, each with a filter policy or none."
  type        = list(object({ arn = string, filter_policy = optional(string), filter_policy_scope = optional(string) }))
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts; otherwise SQS's own key does."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts the messages, if `encrypted`."
  type        = string
}
