variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts; otherwise SQS's own key does."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts the messages, if `encrypted`."
  type        = string
}
