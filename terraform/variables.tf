# General

variable "name" {
  description = "Name of the deployment: its resources carry it, so two in one account and region need two names."
  type        = string
  default     = "nearline"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must be 3 to 40 lowercase letters, digits and single hyphens, beginning with a letter and not ending with a hyphen: it becomes part of bucket, queue and role names."
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

# Network

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
  description = "The zones themselves, where not every zone has every endpoint; null: the region's first."
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

# Queue

variable "fifo_queue" {
  description = "Whether jobs of one message group are answered in their order. A FIFO queue takes batches of 10 at most and less traffic. CHANGING IT DELETES BOTH QUEUES WITH ALL THAT IS IN THEM and makes new ones: drain them first."
  type        = bool
  default     = false
  nullable    = false
}

variable "producer_arns" {
  description = "IAM principals that the queue's policy lets send jobs. Those of this account can be given sqs:SendMessage by IAM instead; those of other accounts need both."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.producer_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root|role/.+|user/.+)$", arn))])
    error_message = "producer_arns must be ARNs of IAM roles, users or accounts: arn:aws:iam::ACCOUNT:role/NAME. Wildcards are not allowed."
  }
}

variable "message_retention_seconds" {
  description = "How long a job may wait for a worker, 60 to 1,209,600 (14 days). SQS drops what is older, without a trace."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.message_retention_seconds >= 60 && var.message_retention_seconds <= 1209600
    error_message = "message_retention_seconds must be 60 to 1,209,600 (14 days)."
  }
}

variable "visibility_timeout_seconds" {
  description = "How long a job stays hidden while it is worked on; null: six times timeout_seconds, the least that AWS recommends."
  type        = number
  default     = null

  validation {
    condition     = var.visibility_timeout_seconds == null || try(var.visibility_timeout_seconds >= 6 * var.timeout_seconds && var.visibility_timeout_seconds <= 43200, false)
    error_message = "visibility_timeout_seconds must be at least six times timeout_seconds (a shorter one hands jobs out again while they are worked on) and at most 43,200."
  }
}

variable "max_receive_count" {
  description = "Deliveries after which SQS itself moves a job to the dead-letter queue, up to 1,000. Only a net under a worker that keeps crashing: the worker moves jobs itself, after max_attempts and with the reason."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 2 * var.max_attempts && var.max_receive_count <= 1000
    error_message = "max_receive_count must be at least twice max_attempts and at most 1,000: otherwise SQS moves jobs without a reason before the worker gives up with one."
  }
}

# Storage

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

# Compute

variable "compute" {
  description = "`managed_instances`: instances in your account, many invocations in one process. `standard`: the same executable on standard Lambda, one invocation in each process, each with its own catalog in memory."
  type        = string
  default     = "managed_instances"
  nullable    = false

  validation {
    condition     = contains(["managed_instances", "standard"], var.compute)
    error_message = "compute must be managed_instances or standard."
  }
}

variable "architecture" {
  description = "arm64 (Graviton) or x86_64; `make package` builds for it."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "package_file" {
  description = "The zip that `make package` wrote; null: ../dist/nearline-ARCHITECTURE.zip."
  type        = string
  default     = null

  validation {
    condition     = fileexists(coalesce(var.package_file, "${path.root}/../dist/nearline-${var.architecture}.zip"))
    error_message = "package_file is not there: run `make package` (ARCH=x86_64 for that architecture), or name the zip."
  }
}

variable "capacity_provider_arn" {
  description = "A capacity provider to attach to; null: one is made. A provider is the security boundary: its functions share instances in containers, which separate nothing from each other that does not trust each other. Give only one whose other functions you would let read nearline's data."
  type        = string
  default     = null

  validation {
    condition     = var.capacity_provider_arn == null || can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:capacity-provider:[A-Za-z0-9-_]+$", var.capacity_provider_arn))
    error_message = "capacity_provider_arn must be the ARN of a capacity provider: arn:aws:lambda:REGION:ACCOUNT:capacity-provider:NAME."
  }

  validation {
    condition     = var.capacity_provider_arn == null || try(split(":", var.capacity_provider_arn)[3] == var.region, true)
    error_message = "capacity_provider_arn names a provider of another region than variable region."
  }

  validation {
    condition     = var.capacity_provider_arn == null || (var.compute == "managed_instances" && var.networking_mode == "existing")
    error_message = "capacity_provider_arn needs compute = \"managed_instances\" and networking_mode = \"existing\": that provider has its network already."
  }
}

variable "scaling_mode" {
  description = "`Auto`: Lambda keeps room for traffic to double within five minutes. `Manual`: it aims at target_cpu_percent."
  type        = string
  default     = "Auto"
  nullable    = false

  validation {
    condition     = contains(["Auto", "Manual"], var.scaling_mode)
    error_message = "scaling_mode must be Auto or Manual."
  }
}

variable "target_cpu_percent" {
  description = "With scaling_mode `Manual`: average CPU utilisation to aim at, 10 to 90. Higher is cheaper and throttles sooner."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.target_cpu_percent >= 10 && var.target_cpu_percent <= 90
    error_message = "target_cpu_percent must be 10 to 90."
  }
}

variable "max_vcpu_count" {
  description = "Most vCPUs of the capacity provider's instances: the ceiling of what it costs. Instances are larger than an environment, three are started for a first version, and a deployment runs two versions for a while. A ceiling that is too low for the first version has been seen to leave a provider stuck: begin with enough."
  type        = number
  default     = 96
  nullable    = false

  validation {
    condition     = var.max_vcpu_count >= 2 && var.max_vcpu_count <= 15000 && var.max_vcpu_count == floor(var.max_vcpu_count)
    error_message = "max_vcpu_count must be a whole number from 2 to 15,000."
  }

  validation {
    condition     = var.compute != "managed_instances" || var.capacity_provider_arn != null || try(var.max_vcpu_count >= 12 * var.memory_mib / 1024 / var.memory_gib_per_vcpu, true)
    error_message = "max_vcpu_count must be at least 12 times the vCPUs of an environment (memory_mib / 1024 / memory_gib_per_vcpu): Lambda starts three instances for a first version, and they have up to four times an environment's vCPUs."
  }
}

variable "allowed_instance_types" {
  description = "The only instance types to run on; null: Lambda chooses, which AWS recommends."
  type        = list(string)
  default     = null

  validation {
    condition     = var.allowed_instance_types == null || try(length(var.allowed_instance_types) > 0 && alltrue([for type in var.allowed_instance_types : can(regex("^[a-z0-9-]+\\.([a-z0-9-]+|\\*)$", type))]), false)
    error_message = "allowed_instance_types must be types such as c8g.xlarge, or null."
  }

  validation {
    condition     = var.allowed_instance_types == null || var.excluded_instance_types == null
    error_message = "allowed_instance_types and excluded_instance_types exclude each other: set one of them."
  }
}

variable "excluded_instance_types" {
  description = "Instance types never to run on; null: none."
  type        = list(string)
  default     = null

  validation {
    condition     = var.excluded_instance_types == null || try(length(var.excluded_instance_types) > 0 && alltrue([for type in var.excluded_instance_types : can(regex("^[a-z0-9-]+\\.([a-z0-9-]+|\\*)$", type))]), false)
    error_message = "excluded_instance_types must be types such as m7g.metal, or null."
  }
}

variable "memory_mib" {
  description = "Memory of an execution environment. It has to hold the catalog in service and about three times the file of the next one while that loads: `nearline catalog inspect` says how much."
  type        = number
  default     = 4096
  nullable    = false

  validation {
    condition     = var.compute != "managed_instances" || (var.memory_mib >= 2048 && var.memory_mib <= 32768 && try(var.memory_mib % (1024 * var.memory_gib_per_vcpu) == 0, false))
    error_message = "memory_mib must be 2,048 to 32,768 and a multiple of 1,024 x memory_gib_per_vcpu on Managed Instances, which give whole vCPUs."
  }

  validation {
    condition     = var.compute != "standard" || (var.memory_mib >= 512 && var.memory_mib <= 10240 && var.memory_mib == floor(var.memory_mib))
    error_message = "memory_mib must be a whole number from 512 to 10,240 with compute = \"standard\"."
  }
}

variable "memory_gib_per_vcpu" {
  description = "On Managed Instances: GiB of memory for each vCPU, 2 (C instances), 4 (M) or 8 (R)."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([2, 4, 8], var.memory_gib_per_vcpu)
    error_message = "memory_gib_per_vcpu must be 2, 4 or 8."
  }
}

variable "max_concurrency" {
  description = "On Managed Instances: invocations at once in an execution environment, at most 64 for each vCPU; null: 8 for each vCPU."
  type        = number
  default     = null

  validation {
    condition     = var.max_concurrency == null || var.compute == "managed_instances"
    error_message = "max_concurrency is for Managed Instances: a standard function serves one invocation in each process."
  }

  validation {
    condition     = var.max_concurrency == null || try(var.max_concurrency >= 2 && var.max_concurrency <= 64 * var.memory_mib / 1024 / var.memory_gib_per_vcpu && var.max_concurrency == floor(var.max_concurrency), false)
    error_message = "max_concurrency must be a whole number from 2 to 64 for each vCPU (memory_mib / 1024 / memory_gib_per_vcpu)."
  }
}

variable "execution_environments" {
  description = "On Managed Instances: fewest and most execution environments of the version that serves. AWS's own are three, and no limit but max_vcpu_count; fewer than three give up a zone. { min = 0, max = 0 } switches the worker off, and its instances, without destroying anything."
  type        = object({ min = number, max = number })
  default     = { min = 3, max = 15000 }
  nullable    = false

  validation {
    condition     = try(var.execution_environments.min >= 1 && var.execution_environments.max >= var.execution_environments.min && var.execution_environments.max <= 15000, false) || try(var.execution_environments.min == 0 && var.execution_environments.max == 0, false)
    error_message = "execution_environments must have 1 <= min <= max <= 15,000, or be { min = 0, max = 0 } to switch the worker off."
  }

  validation {
    condition     = try(var.execution_environments.max > 0, true) || !var.mapping_enabled
    error_message = "execution_environments of { min = 0, max = 0 } needs mapping_enabled = false: otherwise jobs are received by nobody again and again, until SQS takes them for dead."
  }
}

variable "timeout_seconds" {
  description = "Longest time that a batch may take, 5 to 900. Loading the catalog has 130 s of its own; raise this only if that is not enough, since visibility_timeout_seconds follows at six times."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 5 && var.timeout_seconds <= 900 && var.timeout_seconds == floor(var.timeout_seconds)
    error_message = "timeout_seconds must be a whole number from 5 to 900."
  }
}

variable "live_version" {
  description = "Version that the alias `live` points to: set an older one to roll back. null: the newest, as soon as its environments have started."
  type        = string
  default     = null

  validation {
    condition     = var.live_version == null || can(regex("^[1-9][0-9]*$", var.live_version))
    error_message = "live_version must be the number of a published version, such as \"41\", or null for the newest."
  }
}

variable "release" {
  description = "Any text, such as a commit: it stands in the version's description. Another one publishes another version of the same code, which is needed after a version that could not start."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.release) <= 180
    error_message = "release must have 180 characters at most."
  }
}

variable "newest_version_weight" {
  description = "With live_version set: the share of invocations that the newest version gets, 0 to 1, to try it on some of the traffic."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.newest_version_weight >= 0 && var.newest_version_weight < 1
    error_message = "newest_version_weight must be at least 0 and below 1: to give all traffic to the newest version, unset live_version."
  }

  validation {
    condition     = var.newest_version_weight == 0 || var.live_version != null
    error_message = "newest_version_weight needs live_version, the version that gets the rest of the traffic."
  }
}

# Event source mapping

variable "mapping_enabled" {
  description = "Whether jobs are taken from the queue. false stops the worker without losing anything."
  type        = bool
  default     = true
  nullable    = false
}

variable "batch_size" {
  description = "Most jobs in an invocation: up to 10, or to 10,000 with a window of a second or more. FIFO: 10."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && var.batch_size == floor(var.batch_size)
    error_message = "batch_size must be a whole number from 1 to 10,000."
  }

  validation {
    condition     = var.batch_size <= 10 || var.batch_window_seconds >= 1
    error_message = "batch_size above 10 needs batch_window_seconds of at least 1."
  }

  validation {
    condition     = !var.fifo_queue || var.batch_size <= 10
    error_message = "batch_size must be at most 10 with fifo_queue."
  }
}

variable "batch_window_seconds" {
  description = "How long Lambda may wait for a batch to fill, 0 to 300: it adds to the latency of every job in it."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.batch_window_seconds >= 0 && var.batch_window_seconds <= 300 && var.batch_window_seconds == floor(var.batch_window_seconds)
    error_message = "batch_window_seconds must be a whole number from 0 to 300."
  }

  validation {
    condition     = !var.fifo_queue || var.batch_window_seconds == 0
    error_message = "batch_window_seconds must be 0 with fifo_queue."
  }
}

variable "mapping_maximum_concurrency" {
  description = "Most invocations at once by the mapping, 2 to 1,000. null: on Managed Instances what execution_environments and max_vcpu_count let them serve, otherwise Lambda's own limit of 1,250."
  type        = number
  default     = null

  validation {
    condition     = var.mapping_maximum_concurrency == null || try(var.mapping_maximum_concurrency >= 2 && var.mapping_maximum_concurrency <= 1000 && var.mapping_maximum_concurrency == floor(var.mapping_maximum_concurrency), false)
    error_message = "mapping_maximum_concurrency must be a whole number from 2 to 1,000, or null."
  }

  validation {
    condition     = var.mapping_maximum_concurrency == null || var.provisioned_pollers == null
    error_message = "mapping_maximum_concurrency and provisioned_pollers exclude each other: set one of them."
  }
}

variable "provisioned_pollers" {
  description = "Pollers kept for this queue alone, for sharp rises and more than 5 MB/s; each takes up to 1 MB/s or 10 invocations at once, and costs while it is there. null: Lambda's shared pollers."
  type        = object({ min = number, max = number })
  default     = null

  validation {
    condition     = var.provisioned_pollers == null || try(var.provisioned_pollers.min >= 2 && var.provisioned_pollers.min <= 200 && var.provisioned_pollers.max >= var.provisioned_pollers.min && var.provisioned_pollers.max <= 10000, false)
    error_message = "provisioned_pollers must have min of 2 to 200 and max from min to 10,000."
  }
}

# Worker

variable "embedding_model" {
  description = "Embedding model, or an inference profile of it (us., eu., ...). A catalog of another model is refused."
  type        = string
  default     = "amazon.nova-2-multimodal-embeddings-v1:0"
  nullable    = false

  validation {
    condition     = can(regex("^((us|us-gov|eu|apac|jp|au|ca|global)\\.)?(amazon\\.nova-2-multimodal-embeddings-v1:0|amazon\\.titan-embed-text-v2:0|cohere\\.embed-(english|multilingual)-v3|cohere\\.embed-v4:0)$", var.embedding_model))
    error_message = "embedding_model must be amazon.nova-2-multimodal-embeddings-v1:0, amazon.titan-embed-text-v2:0, cohere.embed-english-v3, cohere.embed-multilingual-v3 or cohere.embed-v4:0, or a profile of one of them such as us.cohere.embed-v4:0."
  }
}

variable "also_embedding_models" {
  description = "More models that the worker's role may call: the one before, while versions with it may still serve."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for model in var.also_embedding_models : can(regex("^[a-z0-9.:-]+$", model))])
    error_message = "also_embedding_models must be ids of models or of inference profiles."
  }
}

variable "embedding_dimension" {
  description = "Length of the vectors, one that the model offers. A catalog of another length is refused."
  type        = number
  default     = 384
  nullable    = false

  validation {
    condition     = contains(strcontains(var.embedding_model, "nova-2") ? [256, 384, 1024, 3072] : strcontains(var.embedding_model, "titan") ? [256, 512, 1024] : strcontains(var.embedding_model, "embed-v4") ? [256, 512, 1024, 1536] : [1024], var.embedding_dimension)
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
  description = "Bedrock calls started in a minute by a process: the quota divided by the processes, with room for retries; null: no limit."
  type        = number
  default     = null

  validation {
    condition     = var.embedding_requests_per_minute == null || try(var.embedding_requests_per_minute >= 1 && var.embedding_requests_per_minute <= 1000000 && var.embedding_requests_per_minute == floor(var.embedding_requests_per_minute), false)
    error_message = "embedding_requests_per_minute must be a whole number from 1 to 1,000,000, or null."
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

# Observability

variable "log_retention_days" {
  description = "How long log lines are kept; CloudWatch's own choices."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "oldest_message_seconds" {
  description = "Objective: how long a job may wait before an alarm says so, 10 or more."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.oldest_message_seconds >= 10
    error_message = "oldest_message_seconds must be at least 10."
  }
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each has to confirm once."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alarm_emails must be e-mail addresses."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics of yours that alarms are sent to."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}
