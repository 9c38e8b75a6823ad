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
  description = "SNS topics of yours that alarms are sent to."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}
