variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the pipe."
  type        = string
}

variable "account_id" {
  description = "Account of the pipe."
  type        = string
}

variable "permissions_boundary_arn" {
  description = "Boundary of the role; null: none."
  type        = string
}

variable "stream_arn" {
  description = "Stream of the table of the records, with new images."
  type        = string
}

variable "target_arn" {
  description = "Event bus, or SQS queue, that notices go to."
  type        = string
}

variable "statuses" {
  description = "Records of which status are told of."
  type        = list(string)
}

variable "undelivered_arn" {
  description = "Queue that tells of notices that could not be delivered."
  type        = string
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts the stream and that queue."
  type        = bool
}

variable "kms_key_arn" {
  description = "The key, if `encrypted`."
  type        = string
}
