variable "name" {
  description = "Name of the deployment, with which the provider's begins."
  type        = string
}

variable "network_key" {
  description = "What decides the subnets and security groups, as a text that is known before they are made."
  type        = string
}

variable "key_mode" {
  description = "What decides the key, as a text that is known before it is made."
  type        = string
}

variable "log_retention_days" {
  description = "How long Lambda's own log of the instances is kept."
  type        = number
}

variable "existing_arn" {
  description = "Provider to attach to; null: one is made."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "account_id" {
  description = "Account of the provider."
  type        = string
}

variable "permissions_boundary_arn" {
  description = "Boundary of the operator role; null: none."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the instances."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the instances."
  type        = list(string)
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
}

variable "allowed_instance_types" {
  description = "The only instance types to use; null: Lambda chooses."
  type        = list(string)
}

variable "excluded_instance_types" {
  description = "Instance types never to use; null: none."
  type        = list(string)
}

variable "scaling_mode" {
  description = "Auto, or Manual with a target for the CPU."
  type        = string
}

variable "target_cpu_percent" {
  description = "Average CPU utilisation that Manual scaling aims at."
  type        = number
}

variable "max_vcpu_count" {
  description = "Most vCPUs of all instances: the ceiling of the cost."
  type        = number
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts the instances' volumes; otherwise AWS's own key does."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts the volumes, if `encrypted`."
  type        = string
}
