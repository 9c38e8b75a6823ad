variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the schedules."
  type        = string
}

variable "account_id" {
  description = "Account of the schedules."
  type        = string
}

variable "permissions_boundary_arn" {
  description = "Boundary of the role; null: none."
  type        = string
}

variable "timezone" {
  description = "Time zone of the steps."
  type        = string
}

variable "steps" {
  description = "What happens when: how many environments, or whether jobs are taken."
  type = map(object({
    at           = string
    environments = optional(object({ min = number, max = number }))
    take_jobs    = optional(bool)
  }))
}

variable "function_name" {
  description = "Name of the function."
  type        = string
}

variable "function_arn" {
  description = "ARN of the function, without a version."
  type        = string
}

variable "live_version" {
  description = "The version that serves."
  type        = string
}

variable "mapping_uuid" {
  description = "Id of the event source mapping."
  type        = string
}

variable "mapping_arn" {
  description = "ARN of the event source mapping."
  type        = string
}

variable "waiting_alarm" {
  description = "The alarm that rings for jobs that wait too long."
  type        = object({ name = string, arn = string })
}

variable "undelivered_arn" {
  description = "Queue for calls that failed."
  type        = string
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts that queue."
  type        = bool
}

variable "kms_key_arn" {
  description = "The key, if `encrypted`."
  type        = string
}
