# Who is told of records that are there.

variable "notices" {
  description = "Where a notice of each record goes, by an EventBridge pipe on the table's stream: the ARN of an event bus or of a standard SQS queue, and for which statuses. A notice has request_id, status and metadata, no query and no results. null: none."
  type = object({
    target_arn = string
    statuses   = optional(list(string), ["SUCCEEDED", "REJECTED"])
  })
  default = null

  validation {
    condition     = var.notices == null || can(regex("^arn:[a-z-]+:(events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._/-]+|sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)$", var.notices.target_arn))
    error_message = "notices must have as target_arn the ARN of an event bus, or of an SQS queue that is no FIFO queue."
  }

  validation {
    condition     = var.notices == null || try(split(":", var.notices.target_arn)[3] == var.region, true)
    error_message = "notices has a target_arn of another region than variable region: a pipe reaches only its own."
  }

  validation {
    condition     = var.notices == null || try(length(var.notices.statuses) > 0 && alltrue([for status in var.notices.statuses : contains(["SUCCEEDED", "REJECTED"], status)]), false)
    error_message = "notices must have as statuses SUCCEEDED, REJECTED or both."
  }

  validation {
    condition     = var.notices == null || contains(["NEW_IMAGE", "NEW_AND_OLD_IMAGES"], coalesce(var.stream_view_type, "NEW_IMAGE"))
    error_message = "notices needs a stream with new images: stream_view_type NEW_IMAGE or NEW_AND_OLD_IMAGES, or null, which makes it NEW_IMAGE."
  }
}
