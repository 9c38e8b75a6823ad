variable "name" {
  description = "Name of the deployment, and with managed_instances of the function."
  type        = string
}

variable "region" {
  description = "Region of the function."
  type        = string
}

variable "account_id" {
  description = "Account of the function."
  type        = string
}

variable "permissions_boundary_arn" {
  description = "Boundary of the execution role; null: none."
  type        = string
}

variable "compute" {
  description = "managed_instances, or standard."
  type        = string
}

variable "capacity_provider_arn" {
  description = "Provider of the instances, with managed_instances."
  type        = string
}

variable "vpc_config" {
  description = "Subnets and security groups of a standard function; null: Lambda's own network."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
}

variable "package_file" {
  description = "The zip with the executable `bootstrap`."
  type        = string
}

variable "release" {
  description = "Stands in the version's description: another text publishes another version."
  type        = string
}

variable "memory_mib" {
  description = "Memory of an execution environment."
  type        = number
}

variable "memory_gib_per_vcpu" {
  description = "Memory for each vCPU, with managed_instances: 2, 4 or 8."
  type        = number
}

variable "max_concurrency" {
  description = "Invocations at once in an execution environment, with managed_instances."
  type        = number
}

variable "execution_environments" {
  description = "Fewest and most execution environments of the version that serves, with managed_instances."
  type        = object({ min = number, max = number })
}

variable "timeout_seconds" {
  description = "Longest time that a batch may take."
  type        = number
}

variable "tracing" {
  description = "Whether Lambda samples traces for X-Ray."
  type        = bool
}

variable "settings" {
  description = "The worker's settings: NEARLINE_* environment variables."
  type        = map(string)
}

variable "statements" {
  description = "Statements of the execution role's policy, each a JSON text."
  type        = list(string)
}

variable "log_group_name" {
  description = "Log group of the function."
  type        = string
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts the environment variables, and the queue and the stores are encrypted with it."
  type        = bool
}

variable "kms_key_arn" {
  description = "The key, if `encrypted`."
  type        = string
}

variable "runtime_version_arn" {
  description = "Runtime version to stay on; null: Lambda patches the runtime itself."
  type        = string
}

variable "live_version" {
  description = "Version that `live` points to; null: the newest."
  type        = string
}

variable "newest_version_weight" {
  description = "Share of invocations that the newest version gets while `live` points to another."
  type        = number
}

variable "queue_arn" {
  description = "Queue of the jobs."
  type        = string
}

variable "mapping_enabled" {
  description = "Whether the mapping takes messages."
  type        = bool
}

variable "batch_size" {
  description = "Most messages in an invocation."
  type        = number
}

variable "batch_window_seconds" {
  description = "How long a batch may wait to fill."
  type        = number
}

variable "maximum_concurrency" {
  description = "Most invocations at once by the mapping; null: no limit of its own."
  type        = number
}

variable "provisioned_pollers" {
  description = "Fewest and most pollers that are kept for this mapping; null: Lambda's shared ones."
  type        = object({ min = number, max = number })
}
