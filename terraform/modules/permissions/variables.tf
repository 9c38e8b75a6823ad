variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region that the worker runs in."
  type        = string
}

variable "account_id" {
  description = "Account that the worker runs in."
  type        = string
}

variable "execution_role_arn" {
  description = "Role that signs the worker's calls."
  type        = string
}

variable "queue_arn" {
  description = "Queue of the jobs."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "Queue for what no record can answer."
  type        = string
}

variable "table_arn" {
  description = "Table of the records."
  type        = string
}

variable "bucket_arn" {
  description = "Bucket of catalogs and spilled results."
  type        = string
}

variable "catalog_prefixes" {
  description = "Key prefixes of the catalogs, without slashes at their ends."
  type        = list(string)
}

variable "log_group_arn" {
  description = "Log group of the function, without the trailing `:*`."
  type        = string
}

variable "embedding_models" {
  description = "Ids of the embedding models, or of inference profiles of them, or ARNs of application inference profiles or provisioned models."
  type        = list(string)
}

variable "model_families" {
  description = "Ids of the models behind application inference profiles, by the profiles' ARNs, as far as they are known."
  type        = map(string)
  default     = {}
}

variable "tracing" {
  description = "Whether traces are sent to X-Ray."
  type        = bool
}
