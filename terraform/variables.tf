# What the whole deployment has. The rest is in variables_*.tf, by module; terraform.tfvars.example has what matters first.

variable "name" {
  description = "Name of the deployment: its resources carry it, so two in one account and region need two names, and two states."
  type        = string
  default     = "nearline"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,34}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must be 3 to 36 lowercase letters, digits and single hyphens, beginning with a letter and not ending with a hyphen: it becomes part of bucket, queue and role names."
  }
}

variable "region" {
  description = "Region. The embedding model has to be offered there."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of an AWS region, such as us-east-1."
  }
}

variable "tags" {
  description = "Tags of all resources, beside `application` and `managed-by`."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "IAM permissions boundary of the roles that are made; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy: arn:aws:iam::ACCOUNT:policy/NAME."
  }
}

variable "kms_mode" {
  description = "What encrypts queues, records, catalogs, logs, alarms, settings and volumes: `aws_owned` (AWS's own keys), `customer_managed` (one key is made, rotated every year), or the ARN of a key of yours."
  type        = string
  default     = "aws_owned"
  nullable    = false

  validation {
    condition     = contains(["aws_owned", "customer_managed"], var.kms_mode) || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$", var.kms_mode))
    error_message = "kms_mode must be aws_owned, customer_managed, or the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID; not an alias)."
  }

  validation {
    condition     = !startswith(var.kms_mode, "arn:") || try(split(":", var.kms_mode)[3], "") == var.region
    error_message = "kms_mode names a key of another region: services use only keys of their own. Give a key of the region in variable region."
  }
}

variable "deletion_protection" {
  description = "Whether the table, and a bucket that is not empty, refuse to be destroyed. To destroy a deployment with its data set it to false and apply first."
  type        = bool
  default     = true
  nullable    = false
}
