# What the worker runs on, and which version of it serves.

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
    error_message = "max_vcpu_count must be at least 12 times the vCPUs of an environment (memory_mib / 1024 / memory_gib_per_vcpu): Lambda starts three instances for a first version, which have up to four times an environment's vCPUs where it chooses them."
  }
}

variable "allowed_instance_types" {
  description = "The only instance types to run on, such as c8g.xlarge; `*` stands for anything: m8g.*. null: the smallest that an environment fits on, in two generations, which costs least while idle. []: Lambda chooses, which AWS recommends for availability, and which costs up to twice as much while idle."
  type        = list(string)
  default     = null

  validation {
    condition     = var.allowed_instance_types == null || try(alltrue([for type in var.allowed_instance_types : length(type) <= 30 && can(regex("^[cmr*][a-z0-9*-]*\\.[a-z0-9*-]+$", type))]), false)
    error_message = "allowed_instance_types must be types of the C, M or R families such as c8g.xlarge, or patterns such as m8g.*; [] lets Lambda choose."
  }

  validation {
    condition     = try(length(var.allowed_instance_types), 0) == 0 || var.excluded_instance_types == null
    error_message = "allowed_instance_types and excluded_instance_types exclude each other: set one of them."
  }
}

variable "excluded_instance_types" {
  description = "Instance types never to run on, or patterns of them; Lambda chooses among all others. null: none."
  type        = list(string)
  default     = null

  validation {
    condition     = var.excluded_instance_types == null || try(length(var.excluded_instance_types) > 0 && alltrue([for type in var.excluded_instance_types : length(type) <= 30 && can(regex("^[a-z*][a-z0-9*-]*\\.[a-z0-9*-]+$", type))]), false)
    error_message = "excluded_instance_types must be types such as m7g.metal or patterns such as *.metal, or null."
  }
}

variable "memory_mib" {
  description = "Memory of an execution environment. Its vCPUs follow by memory_gib_per_vcpu, and output environments_per_instance says how many fit on an instance: 6 GiB and 3 vCPUs fill an xlarge. It has to hold the catalog in service and about three times the file of the next one while that loads: `nearline catalog inspect` says how much."
  type        = number
  default     = 6144
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
    condition     = var.compute != "managed_instances" || var.capacity_provider_arn != null || try(var.execution_environments.min * var.memory_mib / 1024 / var.memory_gib_per_vcpu <= var.max_vcpu_count / 2, true)
    error_message = "execution_environments wants more vCPUs at least (min x memory_mib / 1024 / memory_gib_per_vcpu) than half of max_vcpu_count: two versions run side by side during a deployment."
  }

  validation {
    condition     = try(var.execution_environments.max == 0, false) || var.capacity_provider_arn != null || length(local.candidates) == 0 || try(anytrue([for instance in local.candidates : local.fits[instance] > 0]), true)
    error_message = "execution_environments fit on none of allowed_instance_types: Lambda keeps one vCPU and one GB of each instance, and memory_mib and memory_gib_per_vcpu ask for more than the rest. Allow a larger type, or ask for less."
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
    condition     = var.timeout_seconds >= 5 && var.timeout_seconds <= (var.compute == "managed_instances" ? 5400 : 900) && var.timeout_seconds == floor(var.timeout_seconds)
    error_message = "timeout_seconds must be a whole number from 5 to 900."
  }

  validation {
    condition     = var.timeout_seconds <= 900 || var.timeout_seconds > 5400 || var.compute != "managed_instances"
    error_message = "timeout_seconds must be at most 900 for now: Lambda takes up to 5,400 on Managed Instances behind an event source mapping, but the AWS provider refuses more than 900 without asking it (6.66). Once a release takes more, this rule can go: visibility_timeout_seconds follows, and SQS has room for six times 5,400."
  }
}

variable "runtime_version_arn" {
  description = "Runtime version of provided.al2023 to stay on, such as after a patch of Lambda's that broke something: the INIT_START line of an older log names it. It gets no security patches while it stands. null: Lambda patches the runtime itself."
  type        = string
  default     = null

  validation {
    condition     = var.runtime_version_arn == null || can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+::runtime:[0-9a-f]{64}$", var.runtime_version_arn))
    error_message = "runtime_version_arn must be the ARN of a runtime version: arn:aws:lambda:REGION::runtime:HASH, or null."
  }

  validation {
    condition     = var.runtime_version_arn == null || try(split(":", var.runtime_version_arn)[3] == var.region, true)
    error_message = "runtime_version_arn names a runtime of another region than variable region."
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
