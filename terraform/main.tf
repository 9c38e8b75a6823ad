# nearline on AWS: a queue of search jobs, a table of ranked results, and the worker between them.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account_id  = data.aws_caller_identity.current.account_id
  partition   = data.aws_partition.current.partition
  managed     = var.compute == "managed_instances"
  concurrency = coalesce(var.max_concurrency, local.managed ? 8 * local.vcpus : 1)
  visibility  = coalesce(var.visibility_timeout_seconds, 6 * var.timeout_seconds)
  bucket_name = coalesce(var.bucket_name, "${var.name}-${local.account_id}-${var.region}")
  # What decides the subnets of the instances: the same for endpoints and NAT gateways.
  network_key = jsonencode(var.networking_mode == "existing" ? sort(concat(var.existing_subnet_ids, var.existing_security_group_ids)) : concat(
    [var.networking_mode == "public" ? "public" : "private", var.vpc_cidr], module.network.zones,
  ))
  # What the instances can serve at most. More would only be throttled, and each time counts as an attempt of the jobs.
  most_environments = min(var.execution_environments.max, local.managed && var.capacity_provider_arn == null ? local.most_on_instances : 15000)
  most_invocations  = local.managed ? max(2, min(1000, local.most_environments * local.concurrency)) : null
  # Pollers of the queue's own exclude a maximum.
  mapping_maximum_concurrency = var.provisioned_pollers != null ? null : try(coalesce(var.mapping_maximum_concurrency, local.most_invocations), null)

  log_group_name = "/aws/lambda/${var.name}"
  # Where the group will be: the key's policy names it before it is there.
  log_group_arn = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${local.log_group_name}"
  package_file  = coalesce(var.package_file, "${path.root}/../dist/nearline-${var.architecture}.zip")

  # The settings that a command line needs to work with this deployment (outputs), and those of the worker alone.
  shared_settings = merge({
    NEARLINE_QUEUE_URL             = module.queue.url
    NEARLINE_DEAD_LETTER_QUEUE_URL = module.queue.dead_letter_url
    NEARLINE_RESULTS_TABLE         = module.storage.table_name
    NEARLINE_RESULTS_BUCKET        = module.storage.bucket_name
    NEARLINE_CATALOG               = "s3://${module.storage.bucket_name}/${var.catalog_prefix}"
    NEARLINE_EMBEDDING_MODEL       = var.embedding_model
    NEARLINE_EMBEDDING_DIMENSION   = tostring(var.embedding_dimension)
    }, var.embedding_model_family == null ? {} : {
    NEARLINE_EMBEDDING_MODEL_FAMILY = var.embedding_model_family
  })
  worker_settings = merge(local.shared_settings, {
    for name, value in {
      NEARLINE_RESULTS_TTL_SECONDS                 = var.results_ttl_seconds
      NEARLINE_CATALOG_REFRESH_SECONDS             = var.catalog_refresh_seconds
      NEARLINE_EMBEDDING_MAX_CONCURRENCY           = var.embedding_max_concurrency
      NEARLINE_EMBEDDING_REQUESTS_PER_MINUTE       = var.embedding_requests_per_minute
      NEARLINE_EMBEDDING_FLEET_REQUESTS_PER_MINUTE = var.embedding_fleet_requests_per_minute
      NEARLINE_EMBEDDING_SERVICE_TIER              = var.embedding_service_tier
      NEARLINE_MAX_ATTEMPTS                        = var.max_attempts
      NEARLINE_SEARCH_THREADS                      = var.search_threads
      NEARLINE_LOG                                 = var.log_filter
    } : name => tostring(value) if value != null
    }, var.metrics == "filters" ? {} : {
    NEARLINE_METRICS           = var.metrics
    NEARLINE_METRICS_NAMESPACE = "nearline/${var.name}"
  })
}

module "encryption" {
  source     = "./modules/encryption"
  name       = var.name
  mode       = var.kms_mode
  partition  = local.partition
  region     = var.region
  account_id = local.account_id
  log_group_arns = [
    local.log_group_arn,
    "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/aws/lambda/capacity-provider/${var.name}-*",
  ]
  producer_arns       = var.producer_arns
  producer_topic_arns = var.producer_topics[*].arn
}

module "queue" {
  source                     = "./modules/queue"
  name                       = var.name
  fifo                       = var.fifo_queue
  visibility_timeout_seconds = local.visibility
  message_retention_seconds  = var.message_retention_seconds
  max_receive_count          = var.max_receive_count
  producer_arns              = var.producer_arns
  producer_topics            = var.producer_topics
  encrypted                  = module.encryption.enabled
  kms_key_arn                = module.encryption.key_arn
}

module "storage" {
  source                  = "./modules/storage"
  name                    = var.name
  bucket_name             = local.bucket_name
  catalog_prefix          = var.catalog_prefix
  catalog_expiration_days = var.catalog_expiration_days
  results_ttl_seconds     = var.results_ttl_seconds
  recovery_days           = var.recovery_days
  deletion_protection     = var.deletion_protection
  stream_view_type        = var.notices == null ? var.stream_view_type : coalesce(var.stream_view_type, "NEW_IMAGE")
  warm_throughput         = var.warm_throughput
  encrypted               = module.encryption.enabled
  kms_key_arn             = module.encryption.key_arn
}

module "permissions" {
  source                = "./modules/permissions"
  partition             = local.partition
  region                = var.region
  account_id            = local.account_id
  execution_role_arn    = module.worker.execution_role_arn
  queue_arn             = module.queue.arn
  dead_letter_queue_arn = module.queue.dead_letter_arn
  table_arn             = module.storage.table_arn
  bucket_arn            = module.storage.bucket_arn
  catalog_prefixes      = distinct(concat([var.catalog_prefix], var.also_catalog_prefixes))
  log_group_arn         = local.log_group_arn
  embedding_models      = distinct(concat([var.embedding_model], var.also_embedding_models))
  model_families        = var.embedding_model_family == null ? {} : { (var.embedding_model) = var.embedding_model_family }
  tracing               = var.tracing
}

module "network" {
  source       = "./modules/network"
  name         = var.name
  region       = var.region
  mode         = var.networking_mode
  cidr         = var.vpc_cidr
  zones        = var.availability_zones
  zone_count   = var.availability_zones == null ? var.availability_zone_count : length(var.availability_zones)
  nat_gateways = var.nat_gateways
  existing     = { subnet_ids = var.existing_subnet_ids, security_group_ids = var.existing_security_group_ids }
  # Of a standard function Lambda itself sends the logs and traces, outside the VPC.
  endpoint_policies = {
    for service, policy in module.permissions.endpoint_policies : service => policy
    if local.managed || !contains(["logs", "xray"], service)
  }
  additional_interface_endpoints = var.additional_interface_endpoints
}

module "capacity_provider" {
  source                   = "./modules/capacity_provider"
  count                    = local.managed ? 1 : 0
  name                     = var.name
  region                   = var.region
  existing_arn             = var.capacity_provider_arn
  network_key              = local.network_key
  key_mode                 = var.kms_mode
  log_retention_days       = var.log_retention_days
  partition                = local.partition
  account_id               = local.account_id
  permissions_boundary_arn = var.permissions_boundary_arn
  subnet_ids               = module.network.subnet_ids
  security_group_ids       = module.network.security_group_ids
  architecture             = var.architecture
  allowed_instance_types   = local.allowed_types
  excluded_instance_types  = var.excluded_instance_types
  scaling_mode             = var.scaling_mode
  target_cpu_percent       = var.target_cpu_percent
  max_vcpu_count           = var.max_vcpu_count
  encrypted                = module.encryption.enabled
  kms_key_arn              = module.encryption.key_arn
}

module "worker" {
  source                   = "./modules/worker"
  name                     = var.name
  region                   = var.region
  account_id               = local.account_id
  permissions_boundary_arn = var.permissions_boundary_arn
  compute                  = var.compute
  capacity_provider_arn    = local.managed ? module.capacity_provider[0].arn : null
  # A standard function has no use for a public subnet: it cannot have an address there, and needs none without a VPC.
  vpc_config = local.managed || var.networking_mode == "public" ? null : {
    subnet_ids         = module.network.subnet_ids
    security_group_ids = module.network.security_group_ids
  }
  architecture           = var.architecture
  package_file           = local.package_file
  release                = var.release
  memory_mib             = var.memory_mib
  memory_gib_per_vcpu    = var.memory_gib_per_vcpu
  max_concurrency        = local.concurrency
  execution_environments = var.execution_environments
  timeout_seconds        = var.timeout_seconds
  tracing                = var.tracing
  settings               = local.worker_settings
  statements             = module.permissions.statements
  log_group_name         = module.observability.log_group_name
  encrypted              = module.encryption.enabled
  kms_key_arn            = module.encryption.key_arn
  runtime_version_arn    = var.runtime_version_arn
  live_version           = var.live_version
  newest_version_weight  = var.newest_version_weight
  queue_arn              = module.queue.arn
  mapping_enabled        = var.mapping_enabled
  batch_size             = var.batch_size
  batch_window_seconds   = var.batch_window_seconds
  maximum_concurrency    = local.mapping_maximum_concurrency
  provisioned_pollers    = var.provisioned_pollers
}

module "observability" {
  source                 = "./modules/observability"
  name                   = var.name
  region                 = var.region
  account_id             = local.account_id
  encrypted              = module.encryption.enabled
  kms_key_arn            = module.encryption.key_arn
  log_group_name         = local.log_group_name
  log_retention_days     = var.log_retention_days
  metrics                = var.metrics
  alarm_emails           = var.alarm_emails
  alarm_topic_arns       = var.alarm_topic_arns
  ticket_topic_arns      = var.ticket_topic_arns
  capacity_provider_name = local.managed ? module.capacity_provider[0].name : null
  # Manual scaling hovers around its target; Auto names none, and keeps room for twice the traffic.
  capacity_cpu_percent       = var.scaling_mode == "Manual" ? min(95, var.target_cpu_percent + 10) : 80
  max_concurrency            = local.concurrency
  oldest_message_seconds     = var.oldest_message_seconds
  quiet_tenant_seconds       = var.quiet_tenant_seconds
  embedding_slow_ms          = var.embedding_slow_ms
  scan_slow_ms               = var.scan_slow_ms
  text_refused_percent       = var.text_refused_percent
  visibility_timeout_seconds = local.visibility
  catalog_refresh_seconds    = coalesce(var.catalog_refresh_seconds, 60) # the worker's default
  fifo_queue                 = var.fifo_queue
  function_name              = module.worker.function_name
  mapping_uuid               = module.worker.mapping_uuid
  queue_name                 = module.queue.name
  dead_letter_queue_name     = module.queue.dead_letter_name
  table_name                 = module.storage.table_name
  # Metrics name an inference profile by the end of its ARN.
  embedding_model        = reverse(split("/", var.embedding_model))[0]
  undelivered_queue_name = one(module.undelivered[*].name)
}

module "undelivered" {
  source      = "./modules/undelivered"
  count       = var.schedule != null || var.notices != null ? 1 : 0
  name        = var.name
  encrypted   = module.encryption.enabled
  kms_key_arn = module.encryption.key_arn
}

module "schedule" {
  source                   = "./modules/schedule"
  count                    = var.schedule == null ? 0 : 1
  name                     = var.name
  partition                = local.partition
  region                   = var.region
  account_id               = local.account_id
  permissions_boundary_arn = var.permissions_boundary_arn
  timezone                 = var.schedule.timezone
  steps                    = var.schedule.steps
  function_name            = module.worker.function_name
  function_arn             = module.worker.function_arn
  live_version             = module.worker.live_version
  mapping_uuid             = module.worker.mapping_uuid
  mapping_arn              = module.worker.mapping_arn
  waiting_alarm            = module.observability.waiting_alarm
  undelivered_arn          = module.undelivered[0].arn
  encrypted                = module.encryption.enabled
  kms_key_arn              = module.encryption.key_arn
}

module "notices" {
  source                   = "./modules/notices"
  count                    = var.notices == null ? 0 : 1
  name                     = var.name
  partition                = local.partition
  region                   = var.region
  account_id               = local.account_id
  permissions_boundary_arn = var.permissions_boundary_arn
  stream_arn               = module.storage.stream_arn
  target_arn               = var.notices.target_arn
  statuses                 = var.notices.statuses
  undelivered_arn          = module.undelivered[0].arn
  encrypted                = module.encryption.enabled
  kms_key_arn              = module.encryption.key_arn
}
