# How the worker reaches AWS.

variable "networking_mode" {
  description = "How the worker reaches AWS: `vpc_endpoints` (no internet at all), `nat`, `public` (development) or `existing` (your subnets)."
  type        = string
  default     = "vpc_endpoints"
  nullable    = false

  validation {
    condition     = contains(["vpc_endpoints", "nat", "public", "existing"], var.networking_mode)
    error_message = "networking_mode must be vpc_endpoints, nat, public or existing."
  }
}

variable "vpc_cidr" {
  description = "IPv4 addresses of the VPC, /16 to /24; each subnet has a sixteenth of them."
  type        = string
  default     = "10.42.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24, such as 10.42.0.0/16."
  }
}

variable "availability_zone_count" {
  description = "How many of the region's zones are used, 2 to 6. Three keep the worker's three environments apart."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.availability_zone_count >= 2 && var.availability_zone_count <= 6 && var.availability_zone_count == floor(var.availability_zone_count)
    error_message = "availability_zone_count must be a whole number from 2 to 6: with one zone, its failure would be the service's."
  }
}

variable "availability_zones" {
  description = "The zones themselves, where not every zone has every endpoint; null: the region's first that have every endpoint."
  type        = list(string)
  default     = null

  validation {
    condition     = var.availability_zones == null || try(length(distinct(var.availability_zones)) >= 2 && length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) <= 6, false)
    error_message = "availability_zones must be 2 to 6 different zones, such as [\"us-east-1a\", \"us-east-1b\"], or null."
  }

  validation {
    condition     = var.availability_zones == null || try(alltrue([for zone in var.availability_zones : startswith(zone, var.region)]), false)
    error_message = "availability_zones must be zones of the region in variable region."
  }
}

variable "nat_gateways" {
  description = "With networking_mode `nat`: `one_per_zone`, or `one` (cheaper, but its zone is a single point of failure)."
  type        = string
  default     = "one_per_zone"
  nullable    = false

  validation {
    condition     = contains(["one", "one_per_zone"], var.nat_gateways)
    error_message = "nat_gateways must be one or one_per_zone."
  }
}

variable "additional_interface_endpoints" {
  description = "More services to make interface endpoints for, by the last part of their name (`kms`, `monitoring`, ...). The worker calls none but its own."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.additional_interface_endpoints) == 0 || var.networking_mode == "vpc_endpoints"
    error_message = "additional_interface_endpoints are made only with networking_mode vpc_endpoints."
  }
}

variable "existing_subnet_ids" {
  description = "With networking_mode `existing`: subnets, in two zones at least, from which AWS can be reached."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = var.networking_mode != "existing" || var.capacity_provider_arn != null || length(distinct(var.existing_subnet_ids)) >= 2
    error_message = "existing_subnet_ids must name at least two subnets, in different zones, when networking_mode is existing."
  }

  validation {
    condition     = var.networking_mode == "existing" || length(var.existing_subnet_ids) == 0
    error_message = "existing_subnet_ids has a meaning only when networking_mode is existing."
  }

  validation {
    condition     = length(var.existing_subnet_ids) <= 16 && alltrue([for id in var.existing_subnet_ids : startswith(id, "subnet-")])
    error_message = "existing_subnet_ids must be at most 16 ids of subnets: subnet-...."
  }
}

variable "existing_security_group_ids" {
  description = "With networking_mode `existing`: security groups that let TLS (443) out."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = var.networking_mode != "existing" || var.capacity_provider_arn != null || length(var.existing_security_group_ids) >= 1
    error_message = "existing_security_group_ids must name at least one security group when networking_mode is existing."
  }

  validation {
    condition     = var.networking_mode == "existing" || length(var.existing_security_group_ids) == 0
    error_message = "existing_security_group_ids has a meaning only when networking_mode is existing."
  }

  validation {
    condition     = length(var.existing_security_group_ids) <= 5 && alltrue([for id in var.existing_security_group_ids : startswith(id, "sg-")])
    error_message = "existing_security_group_ids must be at most 5 ids of security groups: sg-...."
  }
}
