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
  description = "SNS topics that alarms are sent to, or only those that wake somebody, if there are ticket_topic_arns."
  type        = list(string)
}

variable "ticket_topic_arns" {
  description = "SNS topics of the alarms that wait for the morning; none: they go where the others go."
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

variable "quiet_tenant_seconds" {
  description = "How long a job of a quiet tenant should wait at most while another tenant is noisy."
  type        = number
}

variable "embedding_slow_ms" {
  description = "Wait of a batch for its embeddings that is too long."
  type        = number
}

variable "scan_slow_ms" {
  description = "Wait for a scan and time of the scan that are too long together."
  type        = number
}

variable "text_refused_percent" {
  description = "Share of messages whose text the model refuses that is too high."
  type        = number
}

variable "visibility_timeout_seconds" {
  description = "After how long the batch of a crashed process comes back."
  type        = number
}

variable "catalog_refresh_seconds" {
  description = "How often a process looks for a newer catalog; 0: never."
  type        = number
}

variable "fifo_queue" {
  description = "Whether the queue is a FIFO queue, which has no fair queues."
  type        = bool
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

variable "undelivered_queue_name" {
  description = "Name of the queue for calls of the schedule and notices that failed; null: there is none."
  type        = string
}
