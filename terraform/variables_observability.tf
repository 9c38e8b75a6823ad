# What tells how it is.

variable "log_retention_days" {
  description = "How long log lines are kept; CloudWatch's own choices."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "metrics" {
  description = "Where the worker's metrics come from: filters (metric filters on the log group, which cost the worker nothing) or emf (lines of CloudWatch's embedded metric format, which the worker writes). Names, units and namespace are the same."
  type        = string
  default     = "filters"
  nullable    = false

  validation {
    condition     = contains(["filters", "emf"], var.metrics)
    error_message = "metrics must be filters or emf."
  }
}

variable "oldest_message_seconds" {
  description = "Objective: how long a job may wait before an alarm says so, 10 or more."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.oldest_message_seconds >= 10
    error_message = "oldest_message_seconds must be at least 10."
  }
}

variable "quiet_tenant_seconds" {
  description = "How long a job of a quiet tenant may wait while another tenant is noisy, before an alarm says so, 10 or more. Counts where jobs have a MessageGroupId on a standard queue."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.quiet_tenant_seconds >= 10
    error_message = "quiet_tenant_seconds must be at least 10."
  }
}

variable "embedding_slow_ms" {
  description = "How long nine batches in ten may wait for Bedrock before an alarm says that it is slow: milliseconds, 1 to 900,000. Look at \"Embeddings take\" on the dashboard for what is usual."
  type        = number
  default     = 2000
  nullable    = false

  validation {
    condition     = var.embedding_slow_ms >= 1 && var.embedding_slow_ms <= 900000
    error_message = "embedding_slow_ms must be from 1 to 900,000."
  }
}

variable "scan_slow_ms" {
  description = "How long waiting for a scan and the scan may take together, each in nine batches of ten, before an alarm says that they are slow: milliseconds, 1 to 900,000. It grows with the catalog: look at \"A scan takes\" on the dashboard."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.scan_slow_ms >= 1 && var.scan_slow_ms <= 900000
    error_message = "scan_slow_ms must be from 1 to 900,000."
  }
}

variable "text_refused_percent" {
  description = "Share of messages whose text the embedding model may refuse before an alarm says so: above 0, below 100."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.text_refused_percent > 0 && var.text_refused_percent < 100
    error_message = "text_refused_percent must be above 0 and below 100."
  }
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each has to confirm once."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alarm_emails must be e-mail addresses."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics of yours that alarms are sent to: all of them, or with ticket_topic_arns only those that should wake somebody."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}

variable "ticket_topic_arns" {
  description = "SNS topics of yours for the alarms that can wait for the morning, which then do not go to alarm_topic_arns. docs/operations.md says which these are; alarm_emails get all."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.ticket_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "ticket_topic_arns must be ARNs of SNS topics."
  }
}
