# The queue of the jobs.

variable "fifo_queue" {
  description = "Whether jobs of one message group are answered in their order. A FIFO queue takes batches of 10 at most and less traffic. CHANGING IT DELETES BOTH QUEUES WITH ALL THAT IS IN THEM and makes new ones: drain them first."
  type        = bool
  default     = false
  nullable    = false
}

variable "producer_arns" {
  description = "IAM principals that the queue's policy lets send jobs. Those of this account can be given sqs:SendMessage by IAM instead; those of other accounts need both."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.producer_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root|role/.+|user/.+)$", arn))])
    error_message = "producer_arns must be ARNs of IAM roles, users or accounts: arn:aws:iam::ACCOUNT:role/NAME. Wildcards are not allowed."
  }
}

variable "producer_topics" {
  description = "SNS topics whose messages are jobs: the queue subscribes to each, with raw delivery. A topic of another account must allow who deploys sns:Subscribe. filter_policy is a JSON text that lets some messages through only, by their attributes or with filter_policy_scope = \"MessageBody\" by the job itself."
  type = list(object({
    arn                 = string
    filter_policy       = optional(string)
    filter_policy_scope = optional(string, "MessageAttributes")
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for topic in var.producer_topics : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\\.fifo)?$", topic.arn))]) && length(distinct(var.producer_topics[*].arn)) == length(var.producer_topics)
    error_message = "producer_topics must have ARNs of SNS topics, each once: arn:aws:sns:REGION:ACCOUNT:NAME."
  }

  validation {
    condition     = alltrue([for topic in var.producer_topics : topic.filter_policy == null || can(keys(jsondecode(topic.filter_policy)))])
    error_message = "producer_topics has a filter_policy that is no JSON object, such as jsonencode({ kind = [\"search\"] })."
  }

  validation {
    condition     = alltrue([for topic in var.producer_topics : contains(["MessageAttributes", "MessageBody"], coalesce(topic.filter_policy_scope, "none"))])
    error_message = "producer_topics must have as filter_policy_scope MessageAttributes or MessageBody."
  }

  validation {
    condition     = !var.fifo_queue || alltrue([for topic in var.producer_topics : endswith(topic.arn, ".fifo")])
    error_message = "producer_topics must be FIFO topics (.fifo) with fifo_queue: a standard topic cannot deliver to a FIFO queue."
  }
}

variable "message_retention_seconds" {
  description = "How long a job may wait for a worker, 60 to 1,209,600 (14 days). SQS drops what is older, without a trace."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.message_retention_seconds >= 60 && var.message_retention_seconds <= 1209600
    error_message = "message_retention_seconds must be 60 to 1,209,600 (14 days)."
  }
}

variable "visibility_timeout_seconds" {
  description = "How long a job stays hidden while it is worked on; null: six times timeout_seconds, the least that AWS recommends."
  type        = number
  default     = null

  validation {
    condition     = var.visibility_timeout_seconds == null || try(var.visibility_timeout_seconds >= 6 * var.timeout_seconds && var.visibility_timeout_seconds <= 43200, false)
    error_message = "visibility_timeout_seconds must be at least six times timeout_seconds (a shorter one hands jobs out again while they are worked on) and at most 43,200."
  }
}

variable "max_receive_count" {
  description = "Deliveries after which SQS itself moves a job to the dead-letter queue, up to 1,000. Only a net under a worker that keeps crashing: the worker moves jobs itself, after max_attempts and with the reason."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 2 * var.max_attempts && var.max_receive_count <= 1000
    error_message = "max_receive_count must be at least twice max_attempts and at most 1,000: otherwise SQS moves jobs without a reason before the worker gives up with one."
  }
}
