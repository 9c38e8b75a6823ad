variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "region" {
  description = "Region of the metrics."
  type        = string
}

variable "account_id" {
  description = "Account of the alarms."
  type        = string
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts the log group and the topic."
  type        = bool
}

variable "kms_key_arn" {
  description = "The key, if `encrypted`."
  type        = string
}

variable "log_group_name" {
  description = "Name of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "How long log lines are kept."
  type        = number
}

variable "metrics" {
  description = "Where the worker's metrics come from: metric filters (\"filters\"), or lines of its own (\"emf\")."
  type        = string
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each has to confirm once."
  type        = list(string)
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to."
  type        = list(string)
}

variable "capacity_provider_name" {
  description = "Provider of the instances; null: a standard function."
  type        = string
}

variable "capacity_cpu_percent" {
  description = "CPU utilisation of the instances that is too high."
  type        = number
}

variable "max_concurrency" {
  description = "Invocations at once that an execution environment takes."
  type        = number
}

variable "oldest_message_seconds" {
  description = "How long a job should wait at most."
  type        = number
}

variable "function_name" {
  description = "Name of the function."
  type        = string
}

variable "mapping_uuid" {
  description = "Id of the event source mapping."
  type        = string
}

variable "queue_name" {
  description = "Name of the queue of the jobs."
  type        = string
}

variable "dead_letter_queue_name" {
  description = "Name of the dead-letter queue."
  type        = string
}

variable "table_name" {
  description = "Name of the table of the records."
  type        = string
}

variable "embedding_model" {
  description = "Id that the embedding model is called by."
  type        = string
}
