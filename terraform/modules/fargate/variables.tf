variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the service."
  type        = string
}

variable "account_id" {
  description = "Account of the service."
  type        = string
}

variable "permissions_boundary_arn" {
  description = "Boundary of both roles; null: none."
  type        = string
  default     = null
}

variable "image" {
  description = "Image that the Dockerfile makes, best by its digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/nearline@sha256:..."
  type        = string
}

variable "architecture" {
  description = "What the image is built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "cpu" {
  description = "CPU units of a task; 1,024 are a vCPU."
  type        = number
  default     = 2048

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu must be 256, 512, 1,024, 2,048, 4,096, 8,192 or 16,384: Fargate has no other sizes."
  }
}

variable "memory_mib" {
  description = "Memory of a task. It has to hold the catalog in service and about three times the file of the next one while that loads: `nearline catalog inspect` says how much."
  type        = number
  default     = 4096

  validation {
    condition     = var.memory_mib % 1024 == 0 && var.memory_mib >= 2 * var.cpu && var.memory_mib <= 8 * var.cpu || contains([256, 512], var.cpu) && contains([512, 1024, 2048, 3072, 4096], var.memory_mib)
    error_message = "memory_mib must be whole GiB, 2 to 8 for each vCPU: Fargate has no other sizes."
  }
}

variable "subnet_ids" {
  description = "Subnets from which AWS and the image's registry can be reached."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups that let TLS (443) out."
  type        = list(string)
}

variable "settings" {
  description = "The worker's settings: NEARLINE_* environment variables."
  type        = map(string)
}

variable "statements" {
  description = "What the worker may do: statements of modules/permissions, each a JSON text."
  type        = list(string)
}

variable "queue_name" {
  description = "Queue of the jobs, whose backlog decides how many tasks there are."
  type        = string
}

variable "tasks" {
  description = "Fewest and most tasks."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 10 }

  validation {
    condition     = var.tasks.min >= 1 && var.tasks.max >= var.tasks.min
    error_message = "tasks must have 1 <= min <= max: a service without tasks takes minutes to answer its first job."
  }
}

variable "backlog_per_task" {
  description = "Jobs that may wait for each task before more are started: the seconds that a job may wait, times the jobs that a task answers in a second."
  type        = number
  default     = 500

  validation {
    condition     = var.backlog_per_task > 0
    error_message = "backlog_per_task must be above 0."
  }
}

variable "concurrency" {
  description = "Batches in flight at once in a task, of up to 10 jobs each."
  type        = number
  default     = 16
}

variable "batch_timeout_seconds" {
  description = "Longest time for a batch, 5 to 75. With what comes after it, it has to fit into the 120 s that Fargate gives a task to stop."
  type        = number
  default     = 60

  validation {
    condition     = var.batch_timeout_seconds >= 5 && var.batch_timeout_seconds <= 75
    error_message = "batch_timeout_seconds must be from 5 to 75: settling takes up to 30 s more, the last calls and lines up to 15, and Fargate kills a task after 120."
  }
}

variable "log_retention_days" {
  description = "How long log lines are kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts the log group, and that queue and stores are encrypted with; null: AWS's own."
  type        = string
  default     = null
}
