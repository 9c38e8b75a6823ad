variable "name" {
  description = "Name of the deployment."
  type        = string
}

variable "bucket_name" {
  description = "Name of the bucket, unique in the partition."
  type        = string
}

variable "catalog_prefix" {
  description = "Key prefix of the catalogs, without slashes at its ends."
  type        = string
}

variable "catalog_expiration_days" {
  description = "Age at which a published catalog is deleted, the current one too; null: never."
  type        = number
}

variable "results_ttl_seconds" {
  description = "How long a record counts."
  type        = number
}

variable "recovery_days" {
  description = "How far back the table can be restored."
  type        = number
}

variable "deletion_protection" {
  description = "Whether the table, and a bucket that is not empty, refuse to be destroyed."
  type        = bool
}

variable "stream_view_type" {
  description = "What the table's stream carries; null: no stream."
  type        = string
}

variable "warm_throughput" {
  description = "Reads and writes a second that the table takes at once; null: what AWS starts with."
  type        = object({ read = number, write = number })
}

variable "encrypted" {
  description = "Whether kms_key_arn encrypts; otherwise AWS's own keys do."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts table and bucket, if `encrypted`."
  type        = string
}
