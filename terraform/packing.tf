# How environments fit on instances. Lambda keeps one vCPU and one GB of each instance for itself: two architects of AWS
# say so, and no page of the guide does.

locals {
  instance_vcpus = { large = 2, xlarge = 4, "2xlarge" = 8, "4xlarge" = 16, "8xlarge" = 32, "12xlarge" = 48, "16xlarge" = 64, "24xlarge" = 96, "32xlarge" = 128, "48xlarge" = 192 }
  instance_gib   = { c = 2, m = 4, r = 8 } # for each vCPU, by the family

  environment_gib = var.memory_mib / 1024
  # vCPUs of a standard function follow its memory and are nobody's choice here.
  vcpus = local.managed ? local.environment_gib / var.memory_gib_per_vcpu : null

  # Environments on an instance, by family and size: c.xlarge and so on.
  fits = local.managed ? merge([for family, gib in local.instance_gib : {
    for size, vcpus in local.instance_vcpus : "${family}.${size}" => min(floor((vcpus - 1) / local.vcpus), floor((gib * vcpus - 1) / local.environment_gib))
  }]...) : {}

  # The smallest instance that an environment fits on, of the family with its ratio, in the two generations that every
  # region of Managed Instances should have. What an idle deployment pays for is then as little as can be.
  family         = { 2 = "c", 4 = "m", 8 = "r" }[var.memory_gib_per_vcpu]
  fitting_vcpus  = local.managed ? min([for size, vcpus in local.instance_vcpus : vcpus if local.fits["${local.family}.${size}"] > 0]...) : null
  fitting_size   = local.managed ? one([for size, vcpus in local.instance_vcpus : size if vcpus == local.fitting_vcpus]) : null
  generations    = var.architecture == "arm64" ? ["8g", "7g"] : ["7i", "7a"]
  smallest_types = local.managed ? [for generation in local.generations : "${local.family}${generation}.${local.fitting_size}"] : null

  # null: Lambda chooses.
  allowed_types = (
    var.capacity_provider_arn != null || var.excluded_instance_types != null ? null :
    var.allowed_instance_types == null ? local.smallest_types :
    length(var.allowed_instance_types) == 0 ? null : var.allowed_instance_types
  )

  # What is allowed, by family and size; `*` stands for anything.
  matches = { for type in coalesce(local.allowed_types, ["*.*"]) : type => [
    for instance in keys(local.fits) : instance
    if can(regex("^${replace(substr(type, 0, 1), "*", ".")}$", split(".", instance)[0])) && can(regex("^${replace(try(split(".", type)[1], type), "*", ".*")}$", split(".", instance)[1]))
  ] }
  candidates = distinct(flatten(values(local.matches)))

  # By type, or by family and size where a type has a pattern: c*.xlarge.
  environments_per_instance = merge([for type, instances in local.matches : {
    for instance in instances : "${strcontains(split(".", type)[0], "*") ? "${split(".", instance)[0]}*" : split(".", type)[0]}.${split(".", instance)[1]}" => local.fits[instance]
    if local.fits[instance] > 0 || !strcontains(type, "*")
  }]...)

  # What max_vcpu_count has room for at most: on the types that environments fill best.
  most_on_instances = length(local.candidates) == 0 ? floor(var.max_vcpu_count / coalesce(local.vcpus, 1)) : max([
    for instance in local.candidates : floor(var.max_vcpu_count / local.instance_vcpus[split(".", instance)[1]]) * local.fits[instance]
  ]...)
}
