variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "mode" {
  description = "aws_owned, customer_managed, or the ARN of a key."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the key."
  type        = string
}

variable "account_id" {
  description = "Account of the key."
  type        = string
}

variable "log_group_arns" {
  description = "The log groups that may use the key, without the trailing `:*`. Built from their names: the groups themselves need the key first."
  type        = list(string)
}

variable "producer_arns" {
  description = "Principals that may encrypt messages for the queue."
  type        = list(string)
}

variable "producer_topic_arns" {
  description = "SNS topics that may encrypt messages for the queue."
  type        = list(string)
}
