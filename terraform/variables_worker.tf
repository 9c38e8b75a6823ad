# What the worker is told: its settings (docs/settings.md), and what it may call.

variable "embedding_model" {
  description = "What is called to embed: a model, an inference profile of it (us., eu., ...), or the ARN of an application inference profile or of a provisioned model (with embedding_model_family). A catalog of another model is refused."
  type        = string
  default     = "amazon.nova-2-multimodal-embeddings-v1:0"
  nullable    = false

  validation {
    condition     = can(regex("^((us|us-gov|eu|apac|jp|au|ca|global)\\.)?(amazon\\.nova-2-multimodal-embeddings-v1:0|amazon\\.titan-embed-text-v2:0|cohere\\.embed-(english|multilingual)-v3|cohere\\.embed-v4:0)$|^arn:aws[a-z-]*:bedrock:[a-z0-9-]+:[0-9]{12}:(application-inference-profile|provisioned-model)/[a-z0-9]+$", var.embedding_model))
    error_message = "embedding_model must be amazon.nova-2-multimodal-embeddings-v1:0, amazon.titan-embed-text-v2:0, cohere.embed-english-v3, cohere.embed-multilingual-v3 or cohere.embed-v4:0, or a profile of one of them such as us.cohere.embed-v4:0; or the ARN of an application inference profile or of a provisioned model."
  }
}

variable "embedding_model_family" {
  description = "Which model an ARN in embedding_model is of, by its id; null: embedding_model says so itself."
  type        = string
  default     = null

  validation {
    condition     = var.embedding_model_family == null || can(regex("^(amazon\\.nova-2-multimodal-embeddings-v1:0|amazon\\.titan-embed-text-v2:0|cohere\\.embed-(english|multilingual)-v3|cohere\\.embed-v4:0)$", var.embedding_model_family))
    error_message = "embedding_model_family must be amazon.nova-2-multimodal-embeddings-v1:0, amazon.titan-embed-text-v2:0, cohere.embed-english-v3, cohere.embed-multilingual-v3 or cohere.embed-v4:0, or null."
  }

  validation {
    condition     = (var.embedding_model_family != null) == startswith(var.embedding_model, "arn:")
    error_message = "embedding_model_family goes with an ARN in embedding_model, which does not say which model it is of; set both or leave it null."
  }
}

variable "also_embedding_models" {
  description = "More models that the worker's role may call: the one before, while versions with it may still serve."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for model in var.also_embedding_models : can(regex("^([a-z0-9.:-]+|arn:aws[a-z-]*:bedrock:[a-z0-9-]+:[0-9]{12}:(application-inference-profile|provisioned-model)/[a-z0-9]+)$", model))])
    error_message = "also_embedding_models must be ids of models or of inference profiles, or ARNs of application inference profiles or provisioned models."
  }
}

variable "embedding_dimension" {
  description = "Length of the vectors, one that the model offers. A catalog of another length is refused."
  type        = number
  default     = 384
  nullable    = false

  validation {
    condition     = contains(strcontains(coalesce(var.embedding_model_family, var.embedding_model), "nova-2") ? [256, 384, 1024, 3072] : strcontains(coalesce(var.embedding_model_family, var.embedding_model), "titan") ? [256, 512, 1024] : strcontains(coalesce(var.embedding_model_family, var.embedding_model), "embed-v4") ? [256, 512, 1024, 1536] : [1024], var.embedding_dimension)
    error_message = "embedding_dimension must be one that embedding_model offers: Nova 2 256, 384, 1024 or 3072; Titan v2 256, 512 or 1024; Cohere v4 256, 512, 1024 or 1536; Cohere v3 1024."
  }
}

variable "embedding_max_concurrency" {
  description = "Bedrock calls in flight at once in a process, 1 to 1,000; null: 32."
  type        = number
  default     = null

  validation {
    condition     = var.embedding_max_concurrency == null || try(var.embedding_max_concurrency >= 1 && var.embedding_max_concurrency <= 1000 && var.embedding_max_concurrency == floor(var.embedding_max_concurrency), false)
    error_message = "embedding_max_concurrency must be a whole number from 1 to 1,000, or null."
  }
}

variable "embedding_requests_per_minute" {
  description = "Bedrock calls started in a minute by a process: see also embedding_fleet_requests_per_minute; null: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.embedding_requests_per_minute == null || try(var.embedding_requests_per_minute >= 1 && var.embedding_requests_per_minute <= 1000000 && var.embedding_requests_per_minute == floor(var.embedding_requests_per_minute), false)
    error_message = "embedding_requests_per_minute must be a whole number from 1 to 1,000,000, or null."
  }
}

variable "embedding_fleet_requests_per_minute" {
  description = "Bedrock calls started in a minute by all processes together, which lease shares of it in the results table: the quota, less what others in the account use; null: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.embedding_fleet_requests_per_minute == null || try(var.embedding_fleet_requests_per_minute >= 1 && var.embedding_fleet_requests_per_minute <= 1000000 && var.embedding_fleet_requests_per_minute == floor(var.embedding_fleet_requests_per_minute), false)
    error_message = "embedding_fleet_requests_per_minute must be a whole number from 1 to 1,000,000, or null."
  }
}

variable "embedding_service_tier" {
  description = "Service tier of Bedrock: default, flex, priority or reserved. A model that does not have it is called without; null: Bedrock's default."
  type        = string
  default     = null

  validation {
    condition     = var.embedding_service_tier == null || contains(["default", "flex", "priority", "reserved"], coalesce(var.embedding_service_tier, "default"))
    error_message = "embedding_service_tier must be default, flex, priority or reserved, or null."
  }
}

variable "catalog_refresh_seconds" {
  description = "How often each process looks for a new catalog, up to 86,400; 0: never."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.catalog_refresh_seconds >= 0 && var.catalog_refresh_seconds <= 86400 && var.catalog_refresh_seconds == floor(var.catalog_refresh_seconds)
    error_message = "catalog_refresh_seconds must be a whole number from 0 (never) to 86,400."
  }
}

variable "max_attempts" {
  description = "Deliveries after which the worker dead-letters a job with its last cause, 1 to 500. 20 last 1.4 to 2.8 hours."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_attempts >= 1 && var.max_attempts <= 500 && var.max_attempts == floor(var.max_attempts)
    error_message = "max_attempts must be a whole number from 1 to 500."
  }
}

variable "search_threads" {
  description = "Threads that scan the catalog, 1 to 1,024; null: one for each vCPU."
  type        = number
  default     = null

  validation {
    condition     = var.search_threads == null || try(var.search_threads >= 1 && var.search_threads <= 1024 && var.search_threads == floor(var.search_threads), false)
    error_message = "search_threads must be a whole number from 1 to 1,024, or null."
  }
}

variable "log_filter" {
  description = "What is logged: info, debug, trace, or filters such as info,nearline::embed=debug. With debug or trace query texts may show. Metrics and alarms are made of nearline's INFO lines, so these cannot be left out."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = can(regex("^([a-z_:]+=)?(off|error|warn|info|debug|trace)(,([a-z_:]+=)?(off|error|warn|info|debug|trace))*$", var.log_filter))
    error_message = "log_filter must be info, debug or trace, or filters such as info,nearline::embed=debug."
  }

  validation {
    condition     = can(regex("(^|,)(nearline=)?(info|debug|trace)(,|$)", var.log_filter)) && !can(regex("(^|,)nearline[a-z_:]*=(off|error|warn)(,|$)", var.log_filter))
    error_message = "log_filter must let nearline's INFO lines pass (info, or nearline=info): metrics and alarms are made of them."
  }
}

variable "tracing" {
  description = "Whether Lambda sends sampled traces to X-Ray."
  type        = bool
  default     = true
  nullable    = false
}
