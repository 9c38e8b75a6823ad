# Records and catalogs.

variable "bucket_name" {
  description = "Name of the bucket; null: NAME-ACCOUNT-REGION."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "bucket_name must be 3 to 63 lowercase letters, digits and hyphens."
  }

  validation {
    condition     = var.bucket_name != null || length(var.name) + length(var.region) <= 49
    error_message = "bucket_name must be set: name and region are too long for NAME-ACCOUNT-REGION, which may have 63 characters."
  }
}

variable "catalog_prefix" {
  description = "Key prefix of the catalogs in the bucket."
  type        = string
  default     = "catalog"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.catalog_prefix)) && var.catalog_prefix != "results" && !startswith(var.catalog_prefix, "results/")
    error_message = "catalog_prefix must be letters, digits, dots, hyphens and underscores, with single slashes inside only, and not lie in results/, which expires."
  }
}

variable "also_catalog_prefixes" {
  description = "More key prefixes that the worker's role may read: the one before, while versions with it may still serve."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for prefix in var.also_catalog_prefixes : can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", prefix))])
    error_message = "also_catalog_prefixes must be key prefixes such as catalog, without slashes at their ends."
  }
}

variable "catalog_expiration_days" {
  description = "Age in days at which a published catalog is deleted, THE CURRENT ONE TOO: only where a new one is published much more often than that. null: never."
  type        = number
  default     = null

  validation {
    condition     = var.catalog_expiration_days == null || try(var.catalog_expiration_days >= 90 && var.catalog_expiration_days == floor(var.catalog_expiration_days), false)
    error_message = "catalog_expiration_days must be a whole number of at least 90, or null: the catalog in service expires as well, and workers that start after that find none."
  }
}

variable "results_ttl_seconds" {
  description = "How long a record counts, 60 to 157,680,000 (five years); DynamoDB deletes it some days later."
  type        = number
  default     = 604800
  nullable    = false

  validation {
    condition     = var.results_ttl_seconds >= 60 && var.results_ttl_seconds <= 157680000 && var.results_ttl_seconds == floor(var.results_ttl_seconds)
    error_message = "results_ttl_seconds must be a whole number from 60 to 157,680,000."
  }
}

variable "recovery_days" {
  description = "How many days back the table can be restored to any second, 1 to 35."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.recovery_days >= 1 && var.recovery_days <= 35 && var.recovery_days == floor(var.recovery_days)
    error_message = "recovery_days must be a whole number from 1 to 35."
  }
}

variable "stream_view_type" {
  description = "What the table's stream carries to whoever wants to be told of new records: KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES; null: no stream."
  type        = string
  default     = null

  validation {
    condition     = var.stream_view_type == null || contains(["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"], coalesce(var.stream_view_type, "none"))
    error_message = "stream_view_type must be KEYS_ONLY, NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES or null."
  }
}

variable "warm_throughput" {
  description = "Units a second that a new table takes at once. null: AWS's 12,000 reads and 4,000 writes. Of a table that is there, raise it by `aws dynamodb update-table --warm-throughput`: DynamoDB raises it itself with the traffic, and Terraform would replace the table to lower it."
  type        = object({ read = number, write = number })
  default     = null

  validation {
    condition     = var.warm_throughput == null || try(var.warm_throughput.read >= 12000 && var.warm_throughput.write >= 4000, false)
    error_message = "warm_throughput must be at least { read = 12000, write = 4000 }: every on-demand table has that."
  }
}
