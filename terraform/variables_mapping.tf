# How jobs are handed to the worker.

variable "mapping_enabled" {
  description = "Whether jobs are taken from the queue. false stops the worker without losing anything."
  type        = bool
  default     = true
  nullable    = false
}

variable "batch_size" {
  description = "Most jobs in an invocation: up to 10, or to 10,000 with a window of a second or more. FIFO: 10."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && var.batch_size == floor(var.batch_size)
    error_message = "batch_size must be a whole number from 1 to 10,000."
  }

  validation {
    condition     = var.batch_size <= 10 || var.batch_window_seconds >= 1
    error_message = "batch_size above 10 needs batch_window_seconds of at least 1."
  }

  validation {
    condition     = !var.fifo_queue || var.batch_size <= 10
    error_message = "batch_size must be at most 10 with fifo_queue."
  }
}

variable "batch_window_seconds" {
  description = "How long Lambda may wait for a batch to fill, 0 to 300: it adds to the latency of every job in it."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.batch_window_seconds >= 0 && var.batch_window_seconds <= 300 && var.batch_window_seconds == floor(var.batch_window_seconds)
    error_message = "batch_window_seconds must be a whole number from 0 to 300."
  }

  validation {
    condition     = !var.fifo_queue || var.batch_window_seconds == 0
    error_message = "batch_window_seconds must be 0 with fifo_queue."
  }
}

variable "mapping_maximum_concurrency" {
  description = "Most invocations at once by the mapping, 2 to 1,000. null: on Managed Instances what execution_environments and max_vcpu_count let them serve, otherwise Lambda's own limit of 1,250."
  type        = number
  default     = null

  validation {
    condition     = var.mapping_maximum_concurrency == null || try(var.mapping_maximum_concurrency >= 2 && var.mapping_maximum_concurrency <= 1000 && var.mapping_maximum_concurrency == floor(var.mapping_maximum_concurrency), false)
    error_message = "mapping_maximum_concurrency must be a whole number from 2 to 1,000, or null."
  }

  validation {
    condition     = var.mapping_maximum_concurrency == null || var.provisioned_pollers == null
    error_message = "mapping_maximum_concurrency and provisioned_pollers exclude each other: set one of them."
  }
}

variable "provisioned_pollers" {
  description = "Pollers kept for this queue alone, for sharp rises and more than 5 MB/s; each takes up to 1 MB/s or 10 invocations at once, and costs while it is there. null: Lambda's shared pollers."
  type        = object({ min = number, max = number })
  default     = null

  validation {
    condition     = var.provisioned_pollers == null || try(var.provisioned_pollers.min >= 2 && var.provisioned_pollers.min <= 200 && var.provisioned_pollers.max >= var.provisioned_pollers.min && var.provisioned_pollers.max <= 10000, false)
    error_message = "provisioned_pollers must have min of 2 to 200 and max from min to 10,000."
  }
}
